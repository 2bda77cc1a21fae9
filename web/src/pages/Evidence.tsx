import { Button } from '@mantine/core';
import { useState } from 'react';

import { params } from '../api/client';
import { useGet } from '../api/hooks';
import type { EvidenceEntry, List } from '../api/types';
import { Empty, Loaded, Page, Panel } from '../components/Page';
import { count, plain } from '../components/text';
import { Clock, Outside } from '../components/Text';
import { Value } from '../components/Value';

export default function Evidence() {
  const [before, setBefore] = useState<number>();
  const log = useGet<List<EvidenceEntry>>(`/evidence${params({ limit: 100, before })}`, { every: before === undefined ? 15_000 : 0 });
  const checkpoint = useGet<{ text: string; size: number }>('/evidence/checkpoint', { every: 30_000 });
  return (
    <Page title="Evidence" say="Who did and saw what: chained, signed, only ever added to.">
      <Panel title="Newest signed checkpoint" tools={<code className="dim">holdfast evidence verify</code>}>
        <Loaded of={checkpoint}>{(c) => <pre className="raw" tabIndex={0}><Outside text={c.text} /></pre>}</Loaded>
      </Panel>
      <Panel title="Log" tight tools={before !== undefined && <Button size="compact-xs" variant="default" onClick={() => setBefore(undefined)}>Newest</Button>}>
        <Loaded of={log}>
          {({ items, total }) => items.length === 0 ? <Empty>Nothing is recorded yet.</Empty> : (
            <>
              <table>
                <thead><tr><th className="num">No.</th><th>When</th><th>Who</th><th>Did</th><th>On</th><th>Outcome</th></tr></thead>
                <tbody>{items.map(({ index, evidence: e }) => (
                  <tr key={index} className="hit">
                    <td className="num">{index}</td><td><Clock at={e.at} /></td><td className="word"><Value field="who" value={e.who} clip /></td><td className="word"><Value field="did" value={e.did} clip /></td><td><Value field="on" value={e.on} />{e.asset && e.asset !== e.on && <Value field="asset" value={e.asset} />}</td>
                    <td><Outside text={e.outcome} />{e.detail !== undefined && e.detail !== null && <details><summary className="dim">detail</summary><code><Outside text={plain(e.detail)} /></code></details>}</td>
                  </tr>
                ))}</tbody>
              </table>
              <div className="panel-body tools"><span className="dim">{count(total)} entries in all</span>{(items.at(-1)?.index ?? 0) > 0 && <Button size="compact-xs" variant="default" onClick={() => setBefore(items.at(-1)?.index)}>Older</Button>}</div>
            </>
          )}
        </Loaded>
      </Panel>
    </Page>
  );
}
