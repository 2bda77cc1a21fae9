import { useCallback, useState } from 'react';

export type Widths = ReadonlyMap<string, number>;

export const least = 56;
export const most = 1200;
const key = 'holdfast.widths';
const room = 200;

/** A width that a column may have. */
export function fit(px: number): number {
  return Math.round(Math.min(Math.max(px, least), most));
}

/** What the browser has kept, as far as it makes sense. */
export function widthsOf(text: string | null): Map<string, number> {
  let said: unknown;
  try {
    said = JSON.parse(text ?? '[]');
  } catch {
    said = [];
  }
  const out = new Map<string, number>();
  if (!Array.isArray(said)) return out;
  for (const one of said.slice(0, room) as unknown[]) {
    if (!Array.isArray(one)) continue;
    const [name, px] = one as unknown[];
    if (typeof name === 'string' && name.length <= 300 && typeof px === 'number' && Number.isFinite(px)) out.set(name, fit(px));
  }
  return out;
}

/** The widths that a person gave to columns, by their names; kept in the browser. No width is the usual one. */
export function useWidths(): [Widths, (name: string, px: number | undefined) => void] {
  const [widths, setWidths] = useState<Widths>(() => {
    try {
      return widthsOf(localStorage.getItem(key));
    } catch {
      return new Map();
    }
  });
  const set = useCallback((name: string, px: number | undefined) => {
    setWidths((old) => {
      const next = new Map(old);
      next.delete(name);
      if (px !== undefined) next.set(name, fit(px));
      try {
        localStorage.setItem(key, JSON.stringify([...next].slice(-room)));
      } catch {
        // No room, or not allowed: it holds for as long as the page does.
      }
      return next;
    });
  }, []);
  return [widths, set];
}
