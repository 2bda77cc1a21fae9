import type { Match } from '../api/types';
import { Empty } from './Page';
import { Clock, Outside } from './Text';
import { Value } from './Value';

/** The events that made a rule fire, with the conditions that held. */
export function Matches({ of }: { of: Match[] }) {
  if (of.length === 0) return <Empty>No event is kept with it.</Empty>;
  return (
    <ul className="list">
      {of.map((m, i) => (
        <li key={i} style={{ display: 'block' }}>
          <div><Clock at={m.time} /> <Value field="dataset" value={m.dataset} /> <Value field="rule" value={m.rule} href={`/rules?id=${encodeURIComponent(m.rule)}`} /> <Value field="id" value={m.event} /></div>
          <pre className="raw" style={{ margin: '4px 0' }}><Outside text={m.message} /></pre>
          <div>
            {(m.because ?? []).map((b, n) => (
              <span key={n} style={{ marginRight: 14 }} title={b.selection}>
                <span className="dim">{b.field || 'anywhere'} {b.op}</span> <code><Outside text={b.want} /></code> <span className="dim">has</span> <Value field={b.field || 'raw'} value={b.got} />
              </span>
            ))}
          </div>
        </li>
      ))}
    </ul>
  );
}
