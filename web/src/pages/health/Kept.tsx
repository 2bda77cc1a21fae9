import { useGet } from '../../api/hooks';
import type { Hold, List, Part, Retention } from '../../api/types';
import { Copyable } from '../../components/Copyable';
import { Mark } from '../../components/Mark';
import { Empty, Loaded, Panel } from '../../components/Page';
import { bytes } from '../../components/text';
import { Ago, Outside } from '../../components/Text';

/** How long what is kept, and what must not be dropped. */
export function Kept() {
  const rules = useGet<List<Retention>>('/retention');
  const holds = useGet<List<Hold>>('/holds');
  return (
    <div className="two even">
      <Panel title="Retention" tight>
        <Loaded of={rules}>
          {({ items }) => items.length === 0 ? <Empty>Everything is kept for ever. holdfast store retention set changes that.</Empty> : (
            <table>
              <thead><tr><th>Dataset</th><th>Age</th><th className="num">Size</th><th>Set by</th></tr></thead>
              <tbody>{items.map((r) => <tr key={r.dataset}><td><code><Outside text={r.dataset} /></code></td><td>{age(r.age)}</td><td className="num">{r.size ? bytes(r.size) : 'any'}</td><td><Outside text={r.set_by} /></td></tr>)}</tbody>
            </table>
          )}
        </Loaded>
      </Panel>
      <Panel title="Legal holds" tight>
        <Loaded of={holds}>
          {({ items }) => items.length === 0 ? <Empty>None. holdfast store hold add keeps events from being dropped.</Empty> : (
            <table>
              <thead><tr><th>Hold</th><th>State</th><th>Keeps</th><th>Why</th><th>Since</th></tr></thead>
              <tbody>{items.map((h) => <tr key={h.name}><td><code><Outside text={h.name} /></code></td><td>{h.released ? <Mark of="closed" label="released" /> : <Mark of="holds" label="in force" />}</td><td><Outside text={[h.dataset, h.query].filter(Boolean).join(' ') || 'everything'} /></td><td><Outside text={h.reason} /></td><td><Ago at={h.created} /></td></tr>)}</tbody>
            </table>
          )}
        </Loaded>
      </Panel>
    </div>
  );
}

/** "2160h0m0s" as days, where it is whole ones. */
function age(text: string | undefined): string {
  const m = /^(\d+)h0m0s$/.exec(text ?? '');
  if (text === undefined || text === '' || text === '0s') return 'for ever';
  return m && Number(m[1]) % 24 === 0 ? `${Number(m[1]) / 24} days` : text;
}

/** Every way in, with a line for a shell that tries it. */
export function Ways() {
  const ways = useGet<List<Part>>('/catalogue/inputs');
  return (
    <Panel title="Ways in" tight>
      <Loaded of={ways}>
        {({ items }) => (
          <ul className="list">
            {items.map((w) => (
              <li key={w.name} className="way">
                <details>
                  <summary><b>{w.title}</b> <code>{w.name}</code>{w.where && <span className="dim"> {w.where}</span>}</summary>
                  <p>{w.description}</p>
                  {w.lossy && <p><Mark of="attention" label="may lose" /> {w.lossy}</p>}
                  {w.send ? <><p>Try it, with this server&apos;s address in <code>$URL</code> and a token of <code>holdfast inputs token NAME</code> in <code>$TOKEN</code>:</p><Copyable what={`a line that tries ${w.name}`} text={w.send} /></> : <p className="dim">An agent reads it; name it in the settings under inputs.</p>}
                </details>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Panel>
  );
}
