import type { Verdict } from '../api/types';
import { Mark } from './Mark';
import { Empty } from './Page';
import { Ago, Outside } from './Text';
import { Fields, Value } from './Value';

const order = ['fail', 'unknown', 'pass', 'not-applicable'];

/** Verdicts, the failed first, each with the fact that decided. */
export function Verdicts({ of }: { of: Verdict[] }) {
  if (of.length === 0) return <Empty>No verdict yet. Assess now collects the facts and judges them.</Empty>;
  return (
    <table>
      <thead><tr><th>Check</th><th>Verdict</th><th>Because</th><th>Since</th><th>Facts</th></tr></thead>
      <tbody>
        {[...of].sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status) || a.check.localeCompare(b.check)).map((v) => (
          <tr key={`${v.asset} ${v.check}`} className="hit">
            <td style={{ width: '28%' }}><Outside text={v.title} /><div><Value field="check" value={v.check} /></div></td>
            <td><Mark of={v.status} />{v.status === 'fail' && <div style={{ marginTop: 3 }}><Mark of={v.severity} /></div>}</td>
            <td>
              <Outside text={v.why} />
              {v.population > 1 && <span className="dim"> ({v.failing} of {v.population} rows)</span>}
              {v.decided && Object.keys(v.decided).length > 0 && (
                <details>
                  <summary className="dim">the fact that decided, from {v.table}</summary>
                  <Fields row={v.decided} />
                </details>
              )}
              {v.status === 'fail' && v.fix && <div className="dim">Fix: <Outside text={v.fix} /></div>}
            </td>
            <td><Ago at={v.since} /></td>
            <td><Ago at={v.facts_at} /></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
