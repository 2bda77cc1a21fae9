import { TextInput } from '@mantine/core';
import { Link, useSearchParams } from 'react-router';

import { params, path } from '../api/client';
import { useGet } from '../api/hooks';
import type { Fault, List, RuleInfo } from '../api/types';
import { Faults } from '../components/Faults';
import { Mark } from '../components/Mark';
import { Empty, Loaded, Page, Panel } from '../components/Page';
import { Outside } from '../components/Text';
import { Value } from '../components/Value';

export default function Rules() {
  const [url, setUrl] = useSearchParams();
  const find = url.get('find') ?? '';
  const id = url.get('id');
  const list = useGet<List<RuleInfo> & { faults: Fault[] | null }>('/rules');
  return (
    <Page title="Rules" say="What is looked for in events; the newest of a file counts the moment it is saved." tools={<TextInput aria-label="Find a rule" placeholder="find a rule" value={find} onChange={(e) => setUrl(e.currentTarget.value ? { find: e.currentTarget.value } : {}, { replace: true })} />}>
      {id && <Rule id={id} />}
      <Loaded of={list}>
        {({ items, faults }) => {
          const shown = items.filter((r) => `${r.id} ${r.name ?? ''} ${r.title} ${(r.attack ?? []).join(' ')} ${Object.values(r.logsource).join(' ')}`.toLowerCase().includes(find.toLowerCase()));
          return (
            <>
              <Faults of={faults} what="Rules that were not loaded" />
              <Panel tight title={`${shown.length} rules`}>
                {shown.length === 0 ? <Empty>No rule has these words.</Empty> : (
                  <table>
                    <thead><tr><th>Level</th><th>Rule</th><th>Looks at</th><th>ATT&amp;CK</th><th /></tr></thead>
                    <tbody>{shown.slice(0, 300).map((r) => (
                      <tr key={r.id} className="hit">
                        <td><Mark of={r.level} />{r.silent && <div className="dim">feeds another</div>}</td>
                        <td><Link to={`/rules${params({ id: r.name ?? r.id, find })}`}><b><Outside text={r.title} /></b></Link><div><Value field="rule" value={r.name ?? r.id} /></div></td>
                        <td>{r.kind === 'correlation' ? 'other rules' : [r.logsource.product, r.logsource.service, r.logsource.category].filter(Boolean).join(' ')}</td>
                        <td>{r.attack?.map((a) => <Value key={a} field="attack" value={a} />)}</td>
                        <td className="nowrap"><Link to={`/alerts${params({ rule: r.name ?? r.id, status: 'all' })}`}>alerts</Link></td>
                      </tr>
                    ))}</tbody>
                  </table>
                )}
              </Panel>
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function Rule({ id }: { id: string }) {
  const rule = useGet<RuleInfo>(path`/rules/${id}`);
  return (
    <Loaded of={rule}>
      {(r) => <Panel title={<Outside text={r.title} />} tools={<code className="dim">{r.file}</code>}><pre className="raw" tabIndex={0}><Outside text={r.source ?? ''} /></pre></Panel>}
    </Loaded>
  );
}
