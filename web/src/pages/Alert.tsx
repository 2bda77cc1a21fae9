import { useState } from 'react';
import { Link, useParams } from 'react-router';

import { api, path } from '../api/client';
import { useDo, useGet } from '../api/hooks';
import type { Alert } from '../api/types';
import { Ask } from '../components/Ask';
import { BlindTo } from '../components/BlindTo';
import { Mark } from '../components/Mark';
import { Matches } from '../components/Matches';
import { Do, Loaded, Page, Panel } from '../components/Page';
import { Ago, Clock, Outside } from '../components/Text';
import { Value } from '../components/Value';

export default function AlertPage() {
  const { id = '' } = useParams();
  const alert = useGet<Alert>(path`/alerts/${id}`);
  const [asking, setAsking] = useState(false);
  const close = useDo((because: string) => api.post(path`/alerts/${id}/close`, { because }));
  return (
    <Loaded of={alert}>
      {(a) => (
        <Page
          title={a.title}
          say={<><Mark of={a.level} /> <Mark of={a.status} /> {a.blind ? <>since <Ago at={a.first} /></> : <>{a.count} events from <Ago at={a.first} /> to <Ago at={a.last} /></>}{a.incident && <> · part of <Link to={path`/incidents/${a.incident}`}>{a.incident}</Link></>}{a.drill && ' · made by a drill'} {a.attack?.map((t) => <Value key={t} field="attack" value={t} />)}</>}
          tools={a.status === 'open' && <Do effect="alert.close" variant="default" loading={close.isPending} onClick={() => setAsking(true)}>Close…</Do>}
        >
          <Panel title="How it came" tight>
            <ul className="list">
              {(a.stages ?? []).map((s, i) => (
                <li key={i}><Clock at={s.time} /><Mark of={s.level} /><span className="grow"><Value field="rule" value={s.rule} href={`/rules?id=${encodeURIComponent(s.rule)}`} /> <Outside text={s.title} /><div className="dim"><Outside text={s.why} /></div></span></li>
              ))}
            </ul>
          </Panel>
          {((a.entities ?? []).length > 0 || a.asset) && <Panel title="About">
            {(a.entities ?? []).map((e) => <span key={`${e.kind} ${e.value}`} style={{ marginRight: 16 }}><span className="dim">{e.kind}</span> <Value field={e.kind} value={e.value} /></span>)}
            {a.asset && <span><span className="dim">asset</span> <Value field="asset" value={a.asset} /></span>}
          </Panel>}
          {a.blind && <Panel title="Blind meanwhile"><BlindTo of={a.blind} /><p><Link to="/health">Pipeline health</Link> shows what is wrong now.</p></Panel>}
          {!a.blind && <Panel title={`Events that matched${(a.matches?.length ?? 0) < a.count ? ` (${a.matches?.length ?? 0} of ${a.count} kept)` : ''}`} tight>
            <Matches of={a.matches ?? []} />
          </Panel>}
          {asking && <Ask title="Close this alert" label="Why" onSay={(b) => close.mutate(b)} onClose={() => setAsking(false)} />}
        </Page>
      )}
    </Loaded>
  );
}
