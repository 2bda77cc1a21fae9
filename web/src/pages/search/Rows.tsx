import { IconArrowDown, IconArrowUp } from '@tabler/icons-react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useMemo, useRef } from 'react';

import { moment, plain } from '../../components/text';
import { Outside } from '../../components/Text';
import { Value } from '../../components/Value';
import { Grip } from './Grip';
import type { Columns } from './row';
import type { Sort } from './state';
import { beyond, Placed } from './virtual';
import { useWidths } from './widths';

/** Rows that are no events: what summarize, project and the like made. Only those near what is seen are drawn. */
export function Rows({ columns, rows, sort, onSort, render }: { columns: Columns; rows: unknown[][]; sort: Sort | null; onSort: (by: string, desc: boolean) => void; render?: string | undefined }) {
  const bar = render && render !== 'table' ? barOf(columns, rows) : undefined;
  const [widths, setWidth] = useWidths();
  const pane = useRef<HTMLDivElement>(null);
  const shown = useVirtualizer<HTMLDivElement, HTMLTableRowElement>({ count: rows.length, getScrollElement: () => pane.current, estimateSize: () => 31, overscan: beyond });
  const first = rows.length > sample ? rows[sample - 1] : rows.at(-1); // the guess stands still once the sample is there
  // eslint-disable-next-line react-hooks/exhaustive-deps -- rows beyond the sample do not change it
  const guess = useMemo(() => columns.map((c, i) => guessOf(c.name, rows, i)), [columns, first]);
  const wide = columns.map((c, i) => widths.get(c.name) ?? guess[i] ?? 120);
  const total = wide.reduce((a, b) => a + b, bar ? 160 : 0);
  const last = columns.at(-1)?.name ?? '';
  const rest = !bar && !widths.has(last); // the last column takes what room is left, until it was given a width
  const span = columns.length + (bar ? 1 : 0);
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Rows" ref={pane}>
      <table className="rows" aria-rowcount={rows.length + 1} style={{ width: bar || rest ? '100%' : total, minWidth: total }}>
        <colgroup>
          {columns.map((c, i) => <col key={c.name} style={rest && i === columns.length - 1 ? {} : { width: wide[i] }} />)}
          {bar && <col />}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((c) => {
              const by = sort?.by === c.name ? sort : null;
              return (
                <th key={c.name} className={c.type === 'number' ? 'num' : ''} aria-sort={by ? (by.desc ? 'descending' : 'ascending') : 'none'}>
                  <button type="button" className="head" title="Sort by this column" onClick={() => onSort(c.name, by ? !by.desc : true)}>
                    <Outside text={c.name.slice(0, 200)} />
                    {by && (by.desc ? <IconArrowDown size={12} aria-hidden /> : <IconArrowUp size={12} aria-hidden />)}
                  </button>
                  <Grip name={c.name} width={widths.get(c.name)} onWidth={setWidth} />
                </th>
              );
            })}
            {bar && <th><span className="hide">Size</span></th>}
          </tr>
        </thead>
        <tbody>
          <Placed items={shown.getVirtualItems()} total={shown.getTotalSize()} start={0} span={span}>
            {({ index }) => {
              const row = rows[index] ?? [];
              return (
                <tr className="hit" ref={shown.measureElement} data-index={index} aria-rowindex={index + 2}>
                  {row.map((v, n) => <td key={n} className={columns[n]?.type === 'number' ? 'num' : ''}><Value field={columns[n]?.name ?? ''} value={v} shown={columns[n]?.type === 'time' && typeof v === 'string' ? moment(v) : undefined} /></td>)}
                  {bar && <td className="size" aria-hidden><span style={{ width: `${bar.max > 0 ? (Number(row[bar.at]) / bar.max) * 100 : 0}%` }} /></td>}
                </tr>
              );
            }}
          </Placed>
        </tbody>
      </table>
    </div>
  );
}

const sample = 100;

/** Room for the name of a column and the values of its first rows: as the rows come and go, it stays. */
function guessOf(name: string, rows: unknown[][], i: number): number {
  const longest = rows.slice(0, sample).reduce((most, r) => Math.max(most, Math.min(plain(r[i]).length, 60)), 0);
  return Math.max(Math.min(name.length, 40) * 7 + 40, longest * 7.3 + 30);
}

/** The last column of numbers, which render shows as bars. */
function barOf(columns: Columns, rows: unknown[][]): { at: number; max: number } | undefined {
  const at = columns.findLastIndex((_, i) => rows.some((r) => typeof r[i] === 'number') && rows.every((r) => typeof r[i] === 'number' || plain(r[i]) === ''));
  return at < 0 ? undefined : { at, max: rows.reduce((most, r) => Math.max(most, Number(r[at]) || 0), 0) };
}
