import { IconArrowDown, IconArrowUp } from '@tabler/icons-react';

import { plain } from '../../components/text';
import { Outside } from '../../components/Text';
import { Value } from '../../components/Value';
import type { Columns } from './row';
import type { Sort } from './state';

/** Rows that are no events: what summarize, project and the like made. */
export function Rows({ columns, rows, sort, onSort, render }: { columns: Columns; rows: unknown[][]; sort: Sort | null; onSort: (by: string, desc: boolean) => void; render?: string | undefined }) {
  const bar = render && render !== 'table' ? barOf(columns, rows) : undefined;
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Rows">
      <table>
        <thead>
          <tr>
            {columns.map((c) => {
              const by = sort?.by === c.name ? sort : null;
              return (
                <th key={c.name} aria-sort={by ? (by.desc ? 'descending' : 'ascending') : 'none'}>
                  <button type="button" className="head" title="Sort by this column" onClick={() => onSort(c.name, by ? !by.desc : true)}>
                    <Outside text={c.name.slice(0, 200)} />
                    {by && (by.desc ? <IconArrowDown size={12} aria-hidden /> : <IconArrowUp size={12} aria-hidden />)}
                  </button>
                </th>
              );
            })}
            {bar && <th><span className="hide">Size</span></th>}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i} className="hit">
              {row.map((v, n) => <td key={n} className={typeof v === 'number' ? 'num' : ''}><Value field={columns[n]?.name ?? ''} value={v} /></td>)}
              {bar && <td className="size" aria-hidden><span style={{ width: `${bar.max > 0 ? (Number(row[bar.at]) / bar.max) * 100 : 0}%` }} /></td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The last column of numbers, which render shows as bars. */
function barOf(columns: Columns, rows: unknown[][]): { at: number; max: number } | undefined {
  const at = columns.findLastIndex((_, i) => rows.some((r) => typeof r[i] === 'number') && rows.every((r) => typeof r[i] === 'number' || plain(r[i]) === ''));
  return at < 0 ? undefined : { at, max: Math.max(...rows.map((r) => Number(r[at]) || 0)) };
}
