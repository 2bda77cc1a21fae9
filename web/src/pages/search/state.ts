import { useCallback, useMemo } from 'react';
import { useSearchParams } from 'react-router';

/** Every part of the page's state stands in its address, so that the address is what is shared. */
export interface State {
  q: string;
  last: string;
  from: string | null;
  to: string | null;
  limit: number;
  /** Chosen columns; empty for the usual ones. */
  cols: string[];
  sort: Sort | null;
  /** The field whose values are open. */
  field: string | null;
  rare: boolean;
  tail: boolean;
  /** Ids of the events that are open. */
  open: string[];
}

export interface Sort { by: string; desc: boolean }

export type Change = Partial<Record<'q' | 'last' | 'from' | 'to' | 'limit' | 'sort' | 'field' | 'rare' | 'tail', string | null>> & { col?: string[]; open?: string[] };

export const ranges: [string, string][] = [['15m', 'Last 15 minutes'], ['1h', 'Last hour'], ['4h', 'Last 4 hours'], ['24h', 'Last 24 hours'], ['7d', 'Last 7 days'], ['30d', 'Last 30 days'], ['365d', 'Last year']];

export function millis(last: string): number {
  const n = Number(last.slice(0, -1)) || 24;
  return n * (last.endsWith('d') ? 86_400_000 : last.endsWith('h') ? 3_600_000 : 60_000);
}

/** The range to ask for: the chosen one, or so long back from now. */
export function rangeOf({ last, from, to }: Pick<State, 'last' | 'from' | 'to'>): { from: string; to: string } {
  if (from && to) return { from, to };
  const now = Date.now();
  return { from: new Date(now - millis(last)).toISOString(), to: new Date(now + 60_000).toISOString() };
}

function sortOf(s: string | null): Sort | null {
  if (!s || s === '-') return null;
  return s.startsWith('-') ? { by: s.slice(1), desc: true } : { by: s.replace(/^\+/, ''), desc: false };
}

export function useSearchState(): [State, (to: Change, replace?: boolean) => void] {
  const [url, setUrl] = useSearchParams();
  const state = useMemo<State>(() => ({
    q: url.get('q') ?? '',
    last: url.get('last') ?? '24h',
    from: url.get('from'),
    to: url.get('to'),
    limit: Math.min(Math.max(Number(url.get('limit') ?? 200) || 200, 1), 5000),
    cols: url.getAll('col').slice(0, 30),
    sort: sortOf(url.get('sort')),
    field: url.get('field'),
    rare: url.get('rare') === '1',
    tail: url.get('tail') === '1',
    open: url.getAll('open').slice(0, 20),
  }), [url]);
  const change = useCallback((to: Change, replace = false) => {
    setUrl((old) => {
      const next = new URLSearchParams(old);
      for (const [k, v] of Object.entries(to)) {
        next.delete(k);
        if (Array.isArray(v)) for (const one of v) next.append(k, one);
        else if (typeof v === 'string') next.set(k, v);
      }
      return next;
    }, { replace });
  }, [setUrl]);
  return [state, change];
}
