import { Select } from '@mantine/core';
import { useState } from 'react';
import { Link, useParams } from 'react-router';

import { api, path } from '../api/client';
import { useDo, useGet } from '../api/hooks';
import type { Action, Asset, List, Proofs, RequirementView } from '../api/types';
import { ActionCard, ProofTable } from '../components/ActionCard';
import { Mark } from '../components/Mark';
import { Do, Empty, Loaded, Page, Panel } from '../components/Page';
import { Ago, Outside } from '../components/Text';
import { Value } from '../components/Value';
import { Verdicts } from '../components/Verdicts';
import { facets } from './Requirements';

export default function Requirement() {
  const { id = '' } = useParams();
  const view = useGet<RequirementView>(path`/requirements/${id}`);
  const assets = useGet<List<Asset>>('/assets');
  const [chosen, setChosen] = useState<string | null>(null);
  const name = (a: string) => assets.data?.items.find((x) => x.id === a)?.name ?? a;
  const asset = chosen ?? view.data?.standings[0]?.asset ?? null;
  const plan = useDo(() => api.post<{ actions: Action[] }>(path`/requirements/${id}/plan`, { asset }));
  const prove = useDo(() => api.post<Proofs>(path`/requirements/${id}/verify`, { asset }));
  const none = asset === null ? 'It applies to no asset.' : undefined;
  return (
    <Page
      title={id}
      say={view.data && <Outside text={view.data.requirement.say} />}
      tools={
        view.data && (
          <>
            <Select aria-label="Asset" data={view.data.standings.map((s) => ({ value: s.asset, label: name(s.asset) }))} value={asset} onChange={setChosen} placeholder="asset" />
            <Do effect="requirement.plan" why={none} loading={plan.isPending} onClick={() => plan.mutate()}>Plan</Do>
            <Do effect="requirement.verify" why={none} variant="default" loading={prove.isPending} onClick={() => prove.mutate()}>Verify now</Do>
          </>
        )
      }
    >
      <Loaded of={view}>
        {({ requirement: r, standings, actions }) => (
          <>
            {plan.data && (
              <p role="status">
                {plan.data.actions.length === 0 ? 'Nothing to plan: no part of this requirement can be put in place here.' : `${plan.data.actions.length} planned; see below.`}
              </p>
            )}
            {prove.data && (
              <Panel title="Just proved">
                {(prove.data.proofs ?? []).map((p, i) => <ProofTable key={i} proof={p.proof} title={p.part} />)}
                <Verdicts of={prove.data.verdicts ?? []} />
              </Panel>
            )}
            <Panel title="How it stands" tight>
              {standings.length === 0 ? (
                <Empty>No asset matches it. Enrol a host, or change whom it is about.</Empty>
              ) : (
                <table>
                  <thead><tr><th>Asset</th>{facets.map((f) => <th key={f}>{f}</th>)}</tr></thead>
                  <tbody>
                    {standings.map((s) => (
                      <tr key={s.asset}>
                        <td><Link to={path`/assets/${s.asset}`}>{name(s.asset)}</Link></td>
                        {facets.map((f) => (
                          <td key={f}>
                            <Mark of={s[f].state} />
                            <div className="dim"><Outside text={s[f].why} /> {s[f].at && <Ago at={s[f].at} />}</div>
                          </td>
                        ))}
                      </tr>
                    ))}
                  </tbody>
                </table>
              )}
            </Panel>
            <Panel title="Actions" tight>
              {(actions ?? []).length === 0 ? (
                <Empty>None yet. Plan shows the exact change; it changes nothing by itself.</Empty>
              ) : (
                [...(actions ?? [])].sort((a, b) => b.updated.localeCompare(a.updated)).map((a) => <ActionCard key={a.id} action={a} />)
              )}
            </Panel>
            <Panel title="Clauses" tight>
              <table>
                <thead><tr><th>Clause</th><th>How it is kept</th><th>By</th></tr></thead>
                <tbody>
                  {(r.clauses ?? []).map((c, i) => (
                    <tr key={i}>
                      <td><span className="dim">{c.verb}</span> <code><Outside text={c.text} /></code></td>
                      <td><Mark of={c.how} />{c.why && <div className="dim"><Outside text={c.why} /></div>}</td>
                      <td>
                        {c.artefacts?.map((v) => <Value key={v} field="artefact" value={v} />)}
                        {c.checks?.map((v) => <Value key={v} field="check" value={v} />)}
                        {c.rules?.map((v) => <Value key={v} field="rule" value={v} href={`/rules?id=${encodeURIComponent(v)}`} />)}
                        {c.drills?.map((v) => <Value key={v} field="drill" value={v} href="/drills" />)}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Panel>
            <Panel title="As written" tools={<code className="dim">{r.file}:{r.line}</code>}>
              <div className="dim">Owner: {r.owner || 'nobody'}{Object.entries(r.maps ?? {}).map(([k, v]) => <span key={k}> · {k}: {(v ?? []).join(', ')}</span>)}</div>
              <pre className="raw" tabIndex={0}><Outside text={r.source} /></pre>
            </Panel>
          </>
        )}
      </Loaded>
    </Page>
  );
}
