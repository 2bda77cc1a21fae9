import { SegmentedControl } from '@mantine/core';
import { Link, useSearchParams } from 'react-router';

import { params, path } from '../api/client';
import { useGet } from '../api/hooks';
import type { Alert, List } from '../api/types';
import { Mark } from '../components/Mark';
import { More, useMore } from '../components/More';
import { Empty, Loaded, Page, Panel } from '../components/Page';
import { Ago, Outside } from '../components/Text';
import { Value } from '../components/Value';

export default function Alerts() {
  const [search, set] = useSearchParams();
  const status = search.get('status') ?? 'open';
  const rule = search.get('rule') ?? '';
  const { limit, more } = useMore(200);
  const list = useGet<List<Alert>>(`/alerts${params({ status: status === 'all' ? '' : status, rule, limit })}`);
  return (
    <Page
      title="Alerts"
      say={rule ? `Of the rule ${rule}.` : 'Rules that fired, with the events that made them fire.'}
      tools={<SegmentedControl size="xs" value={status} onChange={(v) => set({ status: v, ...(rule && { rule }) })} data={[{ value: 'open', label: 'Open' }, { value: 'closed', label: 'Closed' }, { value: 'all', label: 'All' }]} />}
    >
      <Panel tight>
        <Loaded of={list}>
          {({ items, total }) =>
            items.length === 0 ? (
              <Empty>No alert{status === 'open' ? ' is open' : ''}. To see that one would come, run a drill.</Empty>
            ) : (
              <table>
                <thead><tr><th>Level</th><th>Alert</th><th>By</th><th className="num">Events</th><th>Incident</th><th>Last</th></tr></thead>
                <tbody>
                  {items.map((a) => (
                    <tr key={a.id} className="hit">
                      <td><Mark of={a.level} />{a.status === 'closed' && <div><Mark of="closed" /></div>}</td>
                      <td style={{ width: '42%' }}><Link to={path`/alerts/${a.id}`}><b><Outside text={a.title} /></b></Link><div className="dim"><Outside text={a.stages?.at(-1)?.why ?? ''} />{a.drill && ' · made by a drill'}</div></td>
                      <td>{(a.group ?? []).map((e) => <Value key={e.kind} field={e.kind} value={e.value} />)}</td>
                      <td className="num">{a.count}</td>
                      <td>{a.incident && <Link to={path`/incidents/${a.incident}`}>{a.incident}</Link>}</td>
                      <td><Ago at={a.last} /></td>
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
