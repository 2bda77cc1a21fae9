import { Select } from '@mantine/core';
import { useState } from 'react';
import { Link, useParams } from 'react-router';

import { api, path } from '../api/client';
import { useDo, useGet } from '../api/hooks';
import type { Asset, Drill, List, Part } from '../api/types';
import { Mark } from '../components/Mark';
import { Do, Empty, Loaded, Page, Panel } from '../components/Page';
import { took } from '../components/text';
import { Ago, Outside } from '../components/Text';
import { Value } from '../components/Value';

export default function Drills() {
  const { id } = useParams();
  const list = useGet<List<Drill>>('/drills?limit=100');
  const kinds = useGet<List<Part>>('/catalogue/drills');
  const assets = useGet<List<Asset>>('/assets');
  const [kind, setKind] = useState<string | null>(null);
  const [asset, setAsset] = useState<string | null>(null);
  const on = asset ?? assets.data?.items[0]?.id ?? null;
  const what = kind ?? kinds.data?.items[0]?.name ?? null;
  const run = useDo(() => api.post<Drill>('/drills', { kind: what?.replace(/^drill\//, ''), asset: on }));
  const about = kinds.data?.items.find((k) => k.name === what);
  return (
    <Page
      title="Drills"
      say={about ? <Outside text={about.description} /> : 'A safe attempt to violate a requirement: it must be refused, and the alert must come.'}
      tools={
        <>
          <Select aria-label="Drill" data={(kinds.data?.items ?? []).map((k) => ({ value: k.name, label: k.title }))} value={what} onChange={setKind} w={230} />
          <Select aria-label="On" data={(assets.data?.items ?? []).map((a) => ({ value: a.id, label: a.name }))} value={on} onChange={setAsset} />
          <Do effect="drill.run" why={what && on ? undefined : 'Choose a drill and a host first.'} loading={run.isPending} onClick={() => run.mutate()}>Run</Do>
        </>
      }
    >
      <Panel tight>
        <Loaded of={list}>
          {({ items }) => items.length === 0 ? <Empty>Nothing was drilled yet. A drill shows in seconds that an attack is refused and seen.</Empty> : (
            [...items].sort((a, b) => b.started.localeCompare(a.started)).map((d, i) => <One key={d.id} drill={d} open={id ? d.id === id : i === 0} />)
          )}
        </Loaded>
      </Panel>
    </Page>
  );
}

function One({ drill: d, open }: { drill: Drill; open: boolean }) {
  return (
    <details className="action" open={open}>
      <summary>
        <Mark of={d.status} /> <b>{d.kind}</b> <span className="dim">on <Outside text={d.target || d.asset} /> by {d.by} <Ago at={d.started} />{d.took > 0 && `, ${took(d.took)}`}</span>
      </summary>
      {d.why && <p><Outside text={d.why} /></p>}
      <div className="dim">
        {d.blocked !== undefined && (d.blocked ? 'The attempt was refused. ' : 'The attempt was NOT refused. ')}
        Marker <Value field="drill" value={d.id} /> <Value field="user.name" value={d.marker} />
        {d.rules?.map((r) => <span key={r}><Mark of={d.fired?.includes(r) ? 'pass' : d.status === 'running' ? 'running' : 'fail'} label={r} /> </span>)}
        {d.incident && <Link to={path`/incidents/${d.incident}`}>{d.incident}</Link>}
      </div>
      {(d.hops ?? []).map((h, i) => (
        <div key={i} className="hop">
          <Mark of={h.ok ? 'pass' : d.status === 'running' ? 'running' : 'fail'} label="" title={h.ok ? 'done' : 'not done'} />
          <b>{h.name}</b>
          <span className="right dim">{h.ok ? `+${took(h.took)}` : d.status === 'running' ? 'waiting' : 'never came'}</span>
          <span><Outside text={h.say} /></span>
        </div>
      ))}
    </details>
  );
}
