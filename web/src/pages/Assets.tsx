import { Modal } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'react-router';

import { api, path } from '../api/client';
import { useDo, useGet } from '../api/hooks';
import type { Asset, Finding, List } from '../api/types';
import { Mark } from '../components/Mark';
import { Do, Empty, Loaded, Page, Panel } from '../components/Page';
import { Ago, Outside } from '../components/Text';
import { Value } from '../components/Value';

export default function Assets() {
  const list = useGet<List<Asset>>('/assets?limit=1000');
  const findings = useGet<List<Finding>>('/findings?open=true&limit=1000');
  const [token, setToken] = useState<{ token: string; command: string }>();
  const enrol = useDo(() => api.post<{ token: string; command: string }>('/assets/tokens', { ttl: '1h' }), setToken);
  return (
    <Page title="Assets" say="The hosts Holdfast knows, and what is weak on them." tools={<Do effect="asset.enrol" loading={enrol.isPending} onClick={() => enrol.mutate()}>Enrol a host</Do>}>
      <Panel tight>
        <Loaded of={list}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty>No host yet. Enrol a host gives the one command to run on it.</Empty>
            ) : (
              <table>
                <thead><tr><th>Host</th><th>System</th><th>Addresses</th><th>Tags</th><th>Weak</th><th>Agent</th><th>Seen</th></tr></thead>
                <tbody>
                  {items.map((a) => {
                    const weak = findings.data?.items.filter((f) => f.asset === a.id) ?? [];
                    return (
                      <tr key={a.id} className="hit">
                        <td><Link to={path`/assets/${a.id}`}><b><Outside text={a.name} /></b></Link>{a.local && <span className="dim"> this host</span>}<div><Value field="asset" value={a.id} /></div></td>
                        <td>{a.os}</td>
                        <td>{(a.addresses ?? []).slice(0, 4).map((x) => <div key={x}><Value field="source.ip" value={x} /></div>)}</td>
                        <td>{Object.entries(a.tags ?? {}).map(([k, v]) => <div key={k}><span className="dim">{k}</span> <Outside text={v} /></div>)}</td>
                        <td>{findings.data && (weak.length === 0 ? <Mark of="pass" label="none found" /> : <Mark of="fail" label={`${weak.length} findings`} />)}</td>
                        <td>{a.agent ?? '–'}{a.lacks?.length ? <div><Mark of="attention" label={`lacks ${a.lacks.length} rights`} title={a.lacks.join('\n')} /></div> : null}</td>
                        <td><Ago at={a.seen} /></td>
                      </tr>
                    );
                  })}
                </tbody>
              </table>
            )
          }
        </Loaded>
      </Panel>
      <Modal opened={token !== undefined} onClose={() => setToken(undefined)} title="Enrol a host" centered>
        <p>Run this on the host, as root, within the hour. The token works once.</p>
        <pre className="raw" tabIndex={0}>{token?.command}</pre>
      </Modal>
    </Page>
  );
}
