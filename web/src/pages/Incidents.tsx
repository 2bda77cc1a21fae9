import { SegmentedControl } from '@mantine/core';
import { Link, useSearchParams } from 'react-router';

import { params, path } from '../api/client';
import { useGet } from '../api/hooks';
import type { Incident, List } from '../api/types';
import { Mark } from '../components/Mark';
import { More, useMore } from '../components/More';
import { Empty, Loaded, Page, Panel } from '../components/Page';
import { count } from '../components/text';
import { Ago, Outside } from '../components/Text';
import { Value } from '../components/Value';

export default function Incidents() {
  const [search, set] = useSearchParams();
  const status = search.get('status') ?? '';
  const { limit, more } = useMore(200);
  const list = useGet<List<Incident>>(`/incidents${params({ status, limit })}`);
  return (
    <Page
      title="Incidents"
      say="The highest rank first, with the reasons that sum to it."
      tools={
        <SegmentedControl
          size="xs"
          value={status}
          onChange={(v) => set(v === '' ? {} : { status: v })}
          data={[{ value: '', label: 'All' }, { value: 'open', label: 'Open' }, { value: 'contained', label: 'Contained' }, { value: 'closed', label: 'Closed' }]}
        />
      }
    >
      <Panel tight>
        <Loaded of={list}>
          {({ items, total }) =>
            items.length === 0 ? (
              <Empty>No incident. Alerts that belong together make one by themselves.</Empty>
            ) : (
              <table>
                <thead><tr><th className="num">Rank</th><th>Incident</th><th>State</th><th>Why this rank</th><th>About</th><th>Updated</th></tr></thead>
                <tbody>
                  {[...items].sort((a, b) => Number(a.status === 'closed') - Number(b.status === 'closed') || b.rank - a.rank).map((i) => (
                    <tr key={i.id} className="hit">
                      <td className="num rank">{i.rank}</td>
                      <td style={{ width: '30%' }}>
                        <Link to={path`/incidents/${i.id}`}><b><Outside text={i.title} /></b></Link>
                        <div className="dim">{i.id} · {count(i.alerts?.length ?? 0)} alert{i.alerts?.length === 1 ? '' : 's'}{i.assignee && ` · ${i.assignee}`}{i.drill && ' · made by a drill'}</div>
                      </td>
                      <td><Mark of={i.status} /> <Mark of={i.level} /></td>
                      <td className="dim">{(i.reasons ?? []).map((r, n) => <div key={n}>+{r.points} <Outside text={r.why} /></div>)}</td>
                      <td>{(i.entities ?? []).slice(0, 4).map((e) => <div key={`${e.kind} ${e.value}`}><Value field={e.kind} value={e.value} /></div>)}</td>
                      <td><Ago at={i.updated} /></td>
                    </tr>
                  ))}
                </tbody>
                <More shown={items.length} total={total} columns={6} onMore={more} />
              </table>
            )
          }
        </Loaded>
      </Panel>
    </Page>
  );
}
