import { useRef, type KeyboardEvent, type PointerEvent } from 'react';

import { fit, least, most } from './widths';

const step = 16;

/** The edge of a column: drag it, or move it with the arrows; Home or a double click gives the usual width back. */
export function Grip({ name, width, onWidth }: { name: string; width: number | undefined; onWidth: (name: string, px: number | undefined) => void }) {
  const from = useRef<{ x: number; width: number }>(undefined);
  const now = (e: { currentTarget: HTMLElement }) => e.currentTarget.closest('th')?.offsetWidth ?? least;
  const onKeyDown = (e: KeyboardEvent<HTMLElement>) => {
    const by = e.key === 'ArrowLeft' ? -step : e.key === 'ArrowRight' ? step : 0;
    if (by !== 0) onWidth(name, now(e) + by);
    else if (e.key === 'Home') onWidth(name, undefined);
    else return;
    e.preventDefault();
    e.stopPropagation();
  };
  const onPointerDown = (e: PointerEvent<HTMLElement>) => {
    if (e.button !== 0) return;
    e.preventDefault();
    e.currentTarget.setPointerCapture(e.pointerId);
    from.current = { x: e.clientX, width: now(e) };
  };
  const onPointerMove = (e: PointerEvent<HTMLElement>) => {
    if (from.current) onWidth(name, fit(from.current.width + e.clientX - from.current.x));
  };
  const end = () => {
    from.current = undefined;
  };
  return (
    <span
      className="grip"
      role="separator"
      aria-orientation="vertical"
      aria-label={`Width of ${name.slice(0, 100)}`}
      aria-valuemin={least}
      aria-valuemax={most}
      aria-valuenow={width ?? least}
      aria-valuetext={width ? `${width} pixels` : 'as usual'}
      tabIndex={0}
      title="Drag, or press an arrow, for another width; Home or a double click for the usual one"
      onKeyDown={onKeyDown}
      onPointerDown={onPointerDown}
      onPointerMove={onPointerMove}
      onPointerUp={end}
      onPointerCancel={end}
      onDoubleClick={() => onWidth(name, undefined)}
    />
  );
}
