import { useState } from 'react';
import { Link } from 'react-router';

import { api, path } from '../../api/client';
import { useDo, useGet } from '../../api/hooks';
import type { Blindness, HealthTrouble } from '../../api/types';
import { Ask } from '../../components/Ask';
import { BlindTo, shown } from '../../components/BlindTo';
import { Mark } from '../../components/Mark';
import { Do, Empty, Loaded, Panel } from '../../components/Page';
import { Ago, Outside } from '../../components/Text';

const week = 7 * 24 * 3600 * 1000;

/** What is wrong, gravest first, each with what is blind for it and what to do. */
export function Troubles({ of }: { of: HealthTrouble[] }) {
  const [asking, setAsking] = useState<HealthTrouble>();
  const mute = useDo(({ t, reason }: { t: HealthTrouble; reason: string }) =>
    api.post('/health/mutes', { kind: t.kind, subject: t.subject, reason, expires: new Date(Date.now() + week).toISOString() }));
  const unmute = useDo((id: string) => api.delete(path`/health/mutes/${id}`));
  const sorted = [...of].sort((a, b) => rank(b) - rank(a));
  return (
    <Panel title="What is wrong" tight tools={of.length === 0 ? <Mark of="ok" label="nothing" /> : <Mark of="attention" label={`${of.length} ${of.length === 1 ? 'trouble' : 'troubles'}`} />}>
      {of.length === 0 ? <Empty>Every source comes in its rhythm, clocks are right, and nothing is behind.</Empty> : (
        <ul className="list">
          {sorted.map((t) => (
            <li key={`${t.kind} ${t.subject}`} className="trouble-row">
              <span className="kind"><Mark of={t.level} label={`${t.kind}, ${t.level}`} /></span>
              <div className="grow">
                <p><b><Outside text={t.what} /></b> <span className="dim">since <Ago at={t.since} /></span></p>
                <BlindTo of={t.blind} />
                {t.blind.rules > shown && <AllBlind of={t} />}
                <p className="dim">What to do: <Outside text={t.do} /></p>
                {t.mute && <p className="dim">Muted by <Outside text={t.mute.by} /> until {new Date(t.mute.expires).toLocaleString()}: <Outside text={t.mute.reason} /></p>}
              </div>
              <span className="tools">
                {!t.mute && <Link to={path`/alerts/${t.alert}`}>alert</Link>}
                {t.mute ? <Do effect="health.unmute" variant="default" onClick={() => unmute.mutate(t.mute?.id ?? '')}>End the mute</Do> : <Do effect="health.mute" variant="default" onClick={() => setAsking(t)}>Mute…</Do>}
              </span>
            </li>
          ))}
        </ul>
      )}
      {asking && (
        <Ask title="Mute for a week" label="Why" say={`${asking.subject} raises no alert of this kind for a week. What is blind for it stays unknown. holdfast health mute takes other spans and patterns.`}
          onSay={(reason) => mute.mutate({ t: asking, reason })} onClose={() => setAsking(undefined)} />
      )}
    </Panel>
  );
}

function rank(t: HealthTrouble): number {
  return (t.mute ? 0 : 10) + ['informational', 'low', 'medium', 'high', 'critical'].indexOf(t.level);
}

/** All the rules, read when somebody wants to see them. */
function AllBlind({ of }: { of: HealthTrouble }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>All {of.blind.rules} rules</summary>
      {open && <AllRules kind={of.kind} subject={of.subject} />}
    </details>
  );
}

function AllRules({ kind, subject }: { kind: string; subject: string }) {
  const all = useGet<Blindness>(`/health/blind?kind=${encodeURIComponent(kind)}&subject=${encodeURIComponent(subject)}`);
  return (
    <Loaded of={all}>
      {(b) => (
        <div className="scroll" tabIndex={0} role="region" aria-label="Rules that are blind">
          <table>
            <thead><tr><th>Rule</th><th>Level</th><th>Blind</th></tr></thead>
            <tbody>{(b.rules ?? []).map((r) => <tr key={r.rule}><td><Link to={`/rules?id=${encodeURIComponent(r.rule)}`}><Outside text={r.title} /></Link></td><td><Mark of={r.level} /></td><td>{r.everywhere ? 'everywhere' : 'here'}</td></tr>)}</tbody>
          </table>
        </div>
      )}
    </Loaded>
  );
}
