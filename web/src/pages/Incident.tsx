import { Button, Checkbox, Modal, Select, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useParams } from 'react-router';

import { api, path, Problem } from '../api/client';
import { useDenied, useDo, useGet, useSession } from '../api/hooks';
import type { Alert, IncidentView, List, Open, Part } from '../api/types';
import { ActionCard } from '../components/ActionCard';
import { Matches } from '../components/Matches';
import { Mark } from '../components/Mark';
import { narrative } from '../components/narrative';
import { Do, Empty, Loaded, Page, Panel } from '../components/Page';
import { Ago, Clock, Outside } from '../components/Text';
import { Value } from '../components/Value';

/** Actions that are over stand below those that are not. */
const over = new Set(['rejected', 'failed', 'undone']);

export default function IncidentPage() {
  const { id = '' } = useParams();
  const view = useGet<IncidentView>(path`/incidents/${id}`);
  return <Loaded of={view}>{(v) => <Story view={v} />}</Loaded>;
}

function Story({ view }: { view: IncidentView }) {
  const { incident: i, alerts, actions, gate } = view;
  const { user } = useSession();
  const assign = useDo((to: string) => api.post(path`/incidents/${i.id}/assign`, { user: to }));
  return (
    <Page
      title={`${i.id}: ${i.title}`}
      say={
        <>
          <Mark of={i.status} /> <Mark of={i.level} /> rank <b>{i.rank}</b>: {(i.reasons ?? []).map((r) => `${r.points} ${r.why}`).join(', ')}. Opened <Ago at={i.opened} />.
          {i.assignee ? ` ${i.assignee} works on it.` : ' Nobody works on it yet.'}{' '}
          {i.attack?.map((a) => <Value key={a} field="attack" value={a} />)}
        </>
      }
      tools={i.assignee !== user && i.status !== 'closed' && <Do effect="incident.assign" variant="default" loading={assign.isPending} onClick={() => assign.mutate(user)}>Take it</Do>}
    >
      <div className="two">
        <div>
          <Panel title="What happened">
            <ol className="story">
              {narrative(view).map((say, n) => <li key={n}><Outside text={say} /></li>)}
            </ol>
          </Panel>
          {(i.requirements ?? []).length > 0 && (
            <Panel title="Should have held" tight>
              <ul className="list">
                {i.requirements?.map((r) => (
                  <li key={`${r.requirement} ${r.asset}`}>
                    <Mark of="broken" />
                    <span className="grow"><Link to={path`/requirements/${r.requirement}`}>{r.requirement}</Link>: <Outside text={r.why} /> on <Value field="asset" value={r.asset} /> <span className="dim">by <Value field="check" value={r.check} /></span></span>
                  </li>
                ))}
              </ul>
            </Panel>
          )}
          <Panel title="Actions" tight tools={<Propose view={view} />}>
            {actions.length === 0 ? <Empty>None yet. Propose one; it is planned on the host and changes nothing before somebody approves.</Empty> : [...actions].sort((a, b) => Number(over.has(a.status)) - Number(over.has(b.status))).map((a) => <ActionCard key={a.id} action={a} />)}
          </Panel>
          <Panel title="Timeline" tight>
            <ul className="list">
              {[...(i.timeline ?? [])].sort((a, b) => a.at.localeCompare(b.at)).map((m, n) => (
                <li key={n}>
                  <Clock at={m.at} />
                  <span className="dim kind">{m.kind}</span>
                  <span className="grow"><Outside text={m.say} />{m.kind === 'alert' && m.ref && <> <Link to={path`/alerts/${m.ref}`}>alert</Link></>}</span>
                </li>
              ))}
            </ul>
          </Panel>
          <Panel title="Alerts" tight>
            {alerts.length === 0 ? <Empty>No alert is part of it any more.</Empty> : alerts.map((a) => <AlertRow key={a.id} alert={a} />)}
          </Panel>
        </div>
        <div>
          <Gate view={view} gate={gate} />
          <Panel title="About">
            {(i.entities ?? []).map((e) => (
              <div key={`${e.kind} ${e.value}`} style={{ display: 'grid', gridTemplateColumns: '120px minmax(0,1fr)' }}>
                <span className="dim">{e.kind}</span> <span><Value field={e.kind} value={e.value} /></span>
              </div>
            ))}
            {(i.assets ?? []).map((a) => (
              <div key={a} style={{ display: 'grid', gridTemplateColumns: '120px minmax(0,1fr)' }}><span className="dim">asset</span> <span><Value field="asset" value={a} /></span></div>
            ))}
          </Panel>
          <Tasks view={view} />
          <Notes view={view} />
        </div>
      </div>
    </Page>
  );
}

function AlertRow({ alert: a }: { alert: Alert }) {
  return (
    <details className="action">
      <summary>
        <Mark of={a.level} /> <Outside text={a.title} /> <span className="dim">{a.count} events, last <Ago at={a.last} /></span>
      </summary>
      <div style={{ margin: '6px 0' }}><Link to={path`/alerts/${a.id}`}>The whole alert</Link></div>
      <Matches of={(a.matches ?? []).slice(0, 5)} />
    </details>
  );
}

function Gate({ view, gate }: { view: IncidentView; gate: Open[] }) {
  const { incident: i } = view;
  const { user } = useSession();
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const [refused, setRefused] = useState<Problem>();
  const close = useMutation({
    mutationFn: () => api.post(path`/incidents/${i.id}/close`),
    onError: (error) => setRefused(error instanceof Problem ? error : new Problem(0, error.message)),
    onSettled: () => client.invalidateQueries({ queryKey: ['get'] }),
  });
  const grant = useDo(() => api.post(path`/incidents/${i.id}/override/grant`));
  const closed = i.status === 'closed';
  const o = i.override;
  return (
    <Panel
      title="What keeps it open"
      tight
      tools={
        !closed && (
          <>
            <Do effect="incident.close" loading={close.isPending} onClick={() => close.mutate()}>Close</Do>
            {gate.length > 0 && !o && <Do effect="incident.override" variant="default" onClick={() => setAsking(true)}>Override…</Do>}
          </>
        )
      }
    >
      {closed && <Empty>Closed by {i.closed_by} <Ago at={i.closed} />.</Empty>}
      {!closed && gate.length === 0 && <Empty>Nothing. It can close.</Empty>}
      {!closed && gate.length > 0 && (
        <OpenPoints of={gate} />
      )}
      {o && (
        <div className="panel-body">
          Override asked by {o.asked_by}: <Outside text={o.because} />. {o.granted_by ? <>Granted by {o.granted_by}, until <Ago at={o.expires} />.</> : 'Another person has to grant it.'}
          {!o.granted_by && !closed && <Do effect="incident.grant" why={o.asked_by === user ? 'You asked for it; another person has to grant it.' : undefined} loading={grant.isPending} onClick={() => grant.mutate()}>Grant</Do>}
        </div>
      )}
      <Modal opened={refused !== undefined} onClose={() => setRefused(undefined)} title="It cannot close yet" size="lg" centered>
        <p><Outside text={refused?.message ?? ''} /></p>
        <OpenPoints of={refused?.open ?? []} />
        {!o && (refused?.open ?? []).length > 0 && (
          <div className="tools" style={{ marginTop: 12, justifyContent: 'flex-end' }}>
            <Button variant="default" onClick={() => setRefused(undefined)}>Settle them first</Button>
            <Do effect="incident.override" variant="default" size="sm" onClick={() => { setRefused(undefined); setAsking(true); }}>Override…</Do>
          </div>
        )}
      </Modal>
      {asking && <Override id={i.id} onClose={() => setAsking(false)} />}
    </Panel>
  );
}

function OpenPoints({ of }: { of: Open[] }) {
  return (
    <ul className="list" aria-label="Open points">
      {of.map((g, n) => (
        <li key={n}>
          <Mark of="broken" label={g.gate} />
          <span className="grow">
            <Outside text={g.what} />
            {g.do && <div><code className="dim"><Outside text={g.do} /></code></div>}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Override({ id, onClose }: { id: string; onClose: () => void }) {
  const [because, setBecause] = useState('');
  const [ttl, setTtl] = useState<string | null>('24h');
  const ask = useDo(() => api.post(path`/incidents/${id}/override`, { because, ttl }), onClose);
  return (
    <Modal opened onClose={onClose} title="Close against the gate" centered>
      <p>Another person has to grant it. It holds only for the time you choose; then the incident opens again.</p>
      <Textarea label="Because" data-autofocus value={because} onChange={(e) => setBecause(e.currentTarget.value)} autosize minRows={3} />
      <Select mt="sm" label="For" data={['4h', '24h', '7d', '30d']} value={ttl} onChange={setTtl} allowDeselect={false} />
      <Button mt="md" loading={ask.isPending} disabled={because.trim().length < 3} onClick={() => ask.mutate()}>Ask</Button>
    </Modal>
  );
}

function Propose({ view }: { view: IncidentView }) {
  const { incident: i } = view;
  const [open, setOpen] = useState(false);
  const parts = useGet<List<Part>>('/catalogue/actions', { enabled: open });
  const [part, setPart] = useState<string | null>(null);
  const [entity, setEntity] = useState<string | null>(null);
  const [asset, setAsset] = useState<string | null>(i.assets?.[0] ?? null);
  const [lease, setLease] = useState<string | null>('1h');
  const [why, setWhy] = useState('');
  const entities = i.entities ?? [];
  const propose = useDo(
    () => api.post('/actions', { part: part?.includes('/') ? part : `action/${part ?? ''}`, asset, entity: entities[Number(entity)], incident: i.id, lease, why }),
    () => setOpen(false),
  );
  if (i.status === 'closed') return null;
  const chosen = parts.data?.items.find((p) => p.name === part);
  return (
    <>
      <Do effect="action.propose" variant="default" onClick={() => setOpen(true)}>Propose…</Do>
      <Modal opened={open} onClose={() => setOpen(false)} title="Propose an action" centered>
        <Select label="What" data={(parts.data?.items ?? []).map((p) => ({ value: p.name, label: p.title }))} value={part} onChange={setPart} description={chosen?.description} data-autofocus />
        <Select mt="sm" label="To" data={entities.map((e, n) => ({ value: String(n), label: `${e.kind} ${e.value}` }))} value={entity} onChange={setEntity} />
        <Select mt="sm" label="On" data={i.assets ?? []} value={asset} onChange={setAsset} />
        <Select mt="sm" label="For, then it undoes itself" data={['15m', '1h', '4h', '24h', '7d']} value={lease} onChange={setLease} allowDeselect={false} />
        <Textarea mt="sm" label="Why" value={why} onChange={(e) => setWhy(e.currentTarget.value)} />
        <Button mt="md" loading={propose.isPending} disabled={!part || !asset || entity === null || why.trim().length < 3} onClick={() => propose.mutate()}>Plan it</Button>
      </Modal>
    </>
  );
}

function Tasks({ view }: { view: IncidentView }) {
  const { incident: i } = view;
  const denied = useDenied('incident.task');
  const [ticked, setTicked] = useState<{ task: string; done: boolean }>(); // until the server says so too
  const mark = useDo(({ task, done }: { task: string; done: boolean }) => api.post(path`/incidents/${i.id}/task/${task}`, { done }));
  return (
    <Panel title="Tasks">
      {(i.tasks ?? []).length === 0 && <Empty>None.</Empty>}
      {(i.tasks ?? []).map((t) => (
        <Checkbox
          key={t.id}
          size="xs"
          mb={6}
          checked={ticked?.task === t.id ? ticked.done : t.done}
          disabled={denied !== undefined || i.status === 'closed'}
          title={denied}
          label={<><Outside text={t.say} />{t.done && <span className="dim"> {t.by} <Ago at={t.at} /></span>}</>}
          onChange={(e) => {
            const now = { task: t.id, done: e.currentTarget.checked };
            setTicked(now);
            mark.mutate(now, { onSettled: () => setTicked(undefined) });
          }}
        />
      ))}
    </Panel>
  );
}

function Notes({ view }: { view: IncidentView }) {
  const { incident: i } = view;
  const [text, setText] = useState('');
  const add = useDo(() => api.post(path`/incidents/${i.id}/note`, { text }), () => setText(''));
  return (
    <Panel title="Notes">
      {(i.notes ?? []).map((n, k) => (
        <p key={k} style={{ whiteSpace: 'pre-wrap', margin: '0 0 8px' }}><b>{n.by}</b> <span className="dim"><Ago at={n.at} /></span><br /><Outside text={n.text} /></p>
      ))}
      <form onSubmit={(e) => { e.preventDefault(); if (text.trim() !== '') add.mutate(); }} style={{ display: 'flex', gap: 8 }}>
        <TextInput style={{ flex: 1 }} aria-label="A note" placeholder="What you saw or decided" value={text} onChange={(e) => setText(e.currentTarget.value)} />
        <Do effect="incident.note" why={text.trim() === '' ? 'Write something first.' : undefined} loading={add.isPending} onClick={() => add.mutate()}>Add</Do>
      </form>
    </Panel>
  );
}
