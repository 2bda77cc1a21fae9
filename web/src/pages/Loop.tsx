import { Link } from 'react-router';

import { useGet } from '../api/hooks';
import type { Level, Loop, Need, Stage } from '../api/types';
import { Mark, tone } from '../components/Mark';
import { Empty, Loaded, Page, Panel } from '../components/Page';
import { Ago, Outside } from '../components/Text';

const homes: Record<string, string> = { control: '/requirements', assess: '/assets', detect: '/alerts', respond: '/incidents', drill: '/drills' };
const ranks: Record<Level, number> = { informational: 1, low: 2, medium: 3, high: 4, critical: 5 };

export default function LoopPage() {
  const loop = useGet<Loop>('/loop', { every: 30_000 });
  return (
    <Page title="The loop" say="What must hold, whether it does, what breaks it, what is done about it, and the proof.">
      <Loaded of={loop}>
        {({ stages }) => (
          <>
            <div className="stages">
              {stages.map((s) => (
                <Link key={s.name} to={homes[s.name] ?? '/'} className={`stage ${tone(s.state)}`}>
                  <div className="top">
                    <h2>{s.name}</h2>
                    <Mark of={s.state} label={s.state === 'attention' ? 'needs you' : s.state} />
                  </div>
                  {(s.numbers ?? []).map((n) => (
                    <div key={n.label} className="figure">
                      <span>{n.label}</span> <b>{n.value}</b>
                    </div>
                  ))}
                </Link>
              ))}
            </div>
            <Needs stages={stages} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Needs({ stages }: { stages: Stage[] }) {
  const all: (Need & { stage: string })[] = stages
    .flatMap((s) => (s.needs ?? []).map((n) => ({ ...n, stage: s.name })))
    .sort((a, b) => ranks[b.level] - ranks[a.level] || b.at.localeCompare(a.at));
  return (
    <Panel title="What needs a person now" tight>
      {all.length === 0 ? (
        <Empty>Nothing. To see that it stays so, run a drill.</Empty>
      ) : (
        <ul className="list">
          {all.map((n, i) => (
            <li key={i}>
              <span style={{ width: 92, flex: 'none' }}><Mark of={n.level} /></span>
              <span className="dim" style={{ width: 56 }}>{n.stage}</span>
              <Link className="grow" to={n.href.startsWith('/') ? n.href : '/'}><Outside text={n.say} /></Link>
              <span className="dim"><Ago at={n.at} /></span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
