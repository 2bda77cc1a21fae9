import { Fragment, type ReactNode } from 'react';
import { defaultRangeExtractor, type Range, type VirtualItem } from '@tanstack/react-virtual';

/** The rows that are drawn beyond those that are seen. */
export const beyond = 12;

/** What is seen, and always the row that has the focus, wherever it is. */
export function withCurrent(current: number): (range: Range) => number[] {
  return (range) => {
    const seen = defaultRangeExtractor(range);
    if (current < 0 || current >= range.count || seen.includes(current)) return seen;
    return [...seen, current].sort((a, b) => a - b);
  };
}

/** Rows at their places: what is not drawn is empty room of the same height. */
export function Placed({ items, total, start, span, children }: { items: VirtualItem[]; total: number; start: number; span: number; children: (item: VirtualItem) => ReactNode }) {
  let end = start;
  const drawn = items.map((item) => {
    const gap = item.start - end;
    end = item.end;
    return <Fragment key={item.key}>{gap > 0 && <Room height={gap} span={span} />}{children(item)}</Fragment>;
  });
  const rest = start + total - end;
  return <>{drawn}{rest > 0 && <Room height={rest} span={span} />}</>;
}

function Room({ height, span }: { height: number; span: number }) {
  return <tr aria-hidden className="room"><td colSpan={span} style={{ height }} /></tr>;
}
