import type { HealthSource, LedgerRow } from '../../api/types';
import { Mark } from '../../components/Mark';
import { Empty, Panel } from '../../components/Page';
import { Spark } from '../../components/Spark';
import { count } from '../../components/text';
import { Ago } from '../../components/Text';
import { Value } from '../../components/Value';

const hour = 3600_000;
const shown = 24;

/** Every source with its rhythm, newest trouble first. */
export function Sources({ of, hours }: { of: HealthSource[]; hours: LedgerRow[] }) {
  const sorted = [...of].sort((a, b) => (b.troubles ?? []).length - (a.troubles ?? []).length || a.source.localeCompare(b.source));
  const per = perHour(hours);
  return (
    <Panel title="Sources" tight>
      {of.length === 0 ? <Empty>Nothing came in yet. The ways in stand below.</Empty> : (
        <table>
          <thead><tr><th>Source</th><th>State</th><th>Last</th><th>Last 24 hours</th><th>Rhythm</th><th className="num">Events</th><th className="num">Rules</th></tr></thead>
          <tbody>{sorted.map((s) => {
            const bars = per.get(s.source) ?? new Array<number>(shown).fill(0);
            const sum = bars.reduce((a, b) => a + b, 0);
            return (
              <tr key={s.source} className="hit">
                <td><Value field="source" value={s.source} />{s.host && <div className="dim">of {s.host}</div>}</td>
                <td>{(s.troubles ?? []).length === 0 ? <Mark of="ok" label="well" /> : s.troubles?.map((t) => <Mark key={t} of="attention" label={t} />)}</td>
                <td><Ago at={s.last} /></td>
                <td><Spark of={bars} say={`${count(sum)} events in the last 24 hours, ${count(Math.max(...bars))} in the busiest`} /><div className="dim nowrap">{rate(sum)}</div></td>
                <td>{s.rhythm}{s.limit_seconds > 0 && <div className="dim">a trouble after {span(s.limit_seconds)}</div>}</td>
                <td className="num">{count(s.events)}</td><td className="num">{count(s.rules)}</td>
              </tr>
            );
          })}</tbody>
        </table>
      )}
    </Panel>
  );
}

/** What each source gave in each of the last hours, oldest first. */
function perHour(rows: LedgerRow[]): Map<string, number[]> {
  const now = Math.floor(Date.now() / hour);
  const out = new Map<string, number[]>();
  for (const r of rows) {
    if (r.hour === undefined) continue;
    const at = shown - 1 - (now - Math.floor(Date.parse(r.hour) / hour));
    if (at < 0 || at >= shown) continue;
    const bars = out.get(r.source) ?? new Array<number>(shown).fill(0);
    bars[at] = (bars[at] ?? 0) + r.received;
    out.set(r.source, bars);
  }
  return out;
}

function rate(sum: number): string {
  const perSecond = sum / (shown * 3600);
  if (perSecond >= 1) return `${count(Math.round(perSecond))} a second`;
  if (sum >= shown) return `${count(Math.round(sum / shown))} an hour`;
  return `${count(sum)} a day`;
}

export function span(s: number): string {
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172_800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} days`;
}
