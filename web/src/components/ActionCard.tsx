import { useState } from 'react';
import { Link, useLocation } from 'react-router';

import { api, path } from '../api/client';
import { useDo } from '../api/hooks';
import type { Action, Proof } from '../api/types';
import { Ask } from './Ask';
import { Diff } from './Diff';
import { Mark } from './Mark';
import { Do } from './Page';
import { took } from './text';
import { Ago, Outside } from './Text';
import { Value } from './Value';

/** One action: the exact change, what else it hits, its proof, and what a person may decide. */
export function ActionCard({ action: a }: { action: Action }) {
  const [asking, setAsking] = useState<'reject' | 'accept'>();
  const decide = useDo(({ verb, because }: { verb: string; because?: string }) => api.post<Action>(path`/actions/${a.id}/${verb}`, because ? { because } : {}));
  const { pathname } = useLocation();
  const p = a.plan;
  const refused = p?.refused ?? [];
  const on = a.status === 'applied' || a.status === 'verified';
  const run = (verb: string) => () => decide.mutate({ verb });
  return (
    <article className="action" id={a.id} aria-label={p?.summary ?? a.part}>
      <div className="tools">
        <Mark of={a.status} />
        <b>
          <Outside text={p?.summary ?? a.part} />
        </b>
        <span className="dim mono">{a.part}</span>
        <span className="tools" style={{ marginLeft: 'auto' }}>
          {a.status === 'planned' && !p?.nothing && (
            <Do effect="action.approve" why={refused.length > 0 ? 'The plan is refused; see the reason below.' : undefined} loading={decide.isPending} onClick={run('approve')}>
              Approve and apply
            </Do>
          )}
          {(a.status === 'planned' || a.status === 'proposed') && (
            <Do effect="action.reject" variant="default" onClick={() => setAsking('reject')}>
              Reject…
            </Do>
          )}
          {on && (
            <>
              <Do effect="action.verify" variant="default" loading={decide.isPending} onClick={run('verify')}>
                Prove again
              </Do>
              {a.lease && (
                <Do effect="action.accept" variant="default" onClick={() => setAsking('accept')}>
                  Keep for good…
                </Do>
              )}
            </>
          )}
          {(on || a.status === 'accepted') && (
            <Do effect="action.undo" variant="default" color="red" loading={decide.isPending} onClick={run('undo')}>
              Undo
            </Do>
          )}
        </span>
      </div>
      <div className="dim">
        <Outside text={a.why} /> · on <Value field="asset" value={a.asset} /> proposed by {a.proposed_by} <Ago at={a.proposed} />
        {a.approved_by && <> · approved by {a.approved_by}</>}
        {on && a.expires && <> · undoes itself <Ago at={a.expires} /></>}
        {!on && a.lease && a.status === 'planned' && <> · for {a.lease}, then it undoes itself</>}
        {p?.confirm && a.status === 'planned' && <> · undone by the host unless confirmed over a new connection within {p.confirm}</>}
        {a.undone && <> · undone by {a.undone_by} <Ago at={a.undone} /></>}
      </div>
      {a.error && !refused.includes(a.error) && <p className="trouble"><span><Outside text={a.error} /></span></p>}
      {refused.map((r) => (
        <p key={r} className="trouble"><span>Refused: <Outside text={r} /></span></p>
      ))}
      {p?.nothing && <p className="dim">Nothing to do: the host is already so.</p>}
      {p && (p.diff ?? p.steps?.length) && (
        <details open={a.status === 'planned'}>
          <summary>The exact change</summary>
          {p.diff && <Diff text={p.diff} />}
          {p.steps && p.steps.length > 0 && (
            <ol className="steps">
              {p.steps.map((s, i) => (
                <li key={i}>
                  <Outside text={s.do} />
                  {s.undo && <div className="dim">undo: <Outside text={s.undo} /></div>}
                </li>
              ))}
            </ol>
          )}
        </details>
      )}
      {p?.hits && p.hits.length > 0 && (
        <details open={p.hits.length <= 5}>
          <summary>Also hits {p.hits.length}</summary>
          {p.hits.map((h, i) => (
            <span key={i}>
              {h.kind} <Value field={h.kind} value={h.value} />
              <span className="dim">(<Outside text={h.why} />) </span>
            </span>
          ))}
        </details>
      )}
      {a.proof && <ProofTable proof={a.proof} title="Proof that it holds" />}
      {a.undo_proof && <ProofTable proof={a.undo_proof} title="Proof that it is undone" />}
      {a.incident && pathname !== path`/incidents/${a.incident}` && <div><Link to={path`/incidents/${a.incident}`}>{a.incident}</Link></div>}
      {asking && (
        <Ask
          title={asking === 'reject' ? 'Reject this plan' : 'Keep the effect for good'}
          label="Why"
          onClose={() => setAsking(undefined)}
          onSay={(because) => decide.mutate({ verb: asking, because })}
        />
      )}
    </article>
  );
}

export function ProofTable({ proof, title }: { proof: Proof; title: string }) {
  return (
    <details open={!proof.holds}>
      <summary>
        {title}: <Mark of={proof.holds ? 'pass' : 'fail'} label={proof.holds ? 'it does' : 'it does not'} /> <Ago at={proof.at} />
      </summary>
      <table>
        <thead>
          <tr><th>Tried</th><th>Should</th><th>Came</th><th>Result</th><th className="num">Took</th></tr>
        </thead>
        <tbody>
          {(proof.tests ?? []).map((t, i) => (
            <tr key={i}>
              <td><Outside text={t.say} /></td>
              <td><Outside text={t.want} /></td>
              <td><Outside text={t.got} /></td>
              <td><Mark of={t.ok ? 'pass' : 'fail'} /></td>
              <td className="num">{took(t.took)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
