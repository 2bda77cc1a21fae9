import { Button, Code, Modal, Select, Textarea, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useState } from 'react';
import { Link } from 'react-router';

import { api, params, path } from '../../api/client';
import { useDo, useGet, useSession } from '../../api/hooks';
import type { Alert, Asset, Incident, List, RuleInfo } from '../../api/types';
import { plain } from '../../components/text';
import { Outside } from '../../components/Text';
import { copy } from '../../components/Value';
import type { Event } from './row';

/** Puts events into an open incident, or into a new one. */
export function AddToIncident({ events, onClose }: { events: Event[]; onClose: () => void }) {
  const incidents = useGet<List<Incident>>('/incidents?limit=200');
  const [id, setId] = useState<string | null>(null);
  const [title, setTitle] = useState('');
  const [level, setLevel] = useState<string | null>('medium');
  const [because, setBecause] = useState('');
  const live = (incidents.data?.items ?? []).filter((i) => i.status !== 'closed');
  const fresh = id === 'new';
  const add = useDo(
    async () => {
      let into = id ?? '';
      for (const [n, e] of events.entries()) {
        if (fresh && n === 0) into = (await api.post<Incident>('/incidents', { title, level, event: e.id, because })).id;
        else await api.post(path`/incidents/${into}/event`, { event: e.id, because });
      }
      return into;
    },
    (into) => {
      notifications.show({ message: <>Added to <Link to={path`/incidents/${into}`}>{into}</Link>.</>, autoClose: 8000 });
      onClose();
    },
  );
  return (
    <Modal opened onClose={onClose} title={events.length === 1 ? 'Add the event to an incident' : `Add ${events.length} events to an incident`} centered>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          add.mutate(undefined);
        }}
      >
        <Select
          data-autofocus
          label="Incident"
          placeholder="Choose one that is open, or a new one"
          searchable
          data={[{ value: 'new', label: 'A new incident' }, ...live.map((i) => ({ value: i.id, label: `${i.id}: ${i.title}` }))]}
          value={id}
          onChange={setId}
        />
        {fresh && <TextInput mt="sm" label="Title" value={title} onChange={(e) => setTitle(e.currentTarget.value)} maxLength={300} />}
        {fresh && <Select mt="sm" label="Level" data={['low', 'medium', 'high', 'critical']} value={level} onChange={setLevel} allowDeselect={false} />}
        <Textarea mt="sm" label="Why it belongs there" value={because} onChange={(e) => setBecause(e.currentTarget.value)} autosize minRows={2} maxLength={2000} />
        <Button type="submit" mt="md" loading={add.isPending} disabled={id === null || because.trim().length < 3 || (fresh && title.trim() === '')}>Add</Button>
      </form>
    </Modal>
  );
}

/** The start of an exception: the rules that this event fired, and the value that is to be let pass. */
export function Except({ event, field, value, onClose }: { event: Event; field: string; value: string; onClose: () => void }) {
  const { user } = useSession();
  const asset = event.text('asset');
  const alerts = useGet<List<Alert>>(`/alerts${params({ limit: 200, asset })}`);
  const rules = useGet<List<RuleInfo>>('/rules?limit=1000');
  const fired = [...new Set((alerts.data?.items ?? []).flatMap((a) => (a.matches ?? []).filter((m) => m.event === event.id).map((m) => m.rule)))];
  const name = nativeName(event, field, value);
  const [chosen, setRule] = useState<string | null>(null);
  const [where, setWhere] = useState(() => JSON.stringify({ [name]: value }));
  const [owner, setOwner] = useState(user);
  const [reason, setReason] = useState('');
  const [days, setDays] = useState<string | null>('30');
  const rule = chosen ?? fired[0] ?? null;
  const others = (rules.data?.items ?? []).map((r) => r.id).filter((r) => !fired.includes(r));
  const add = useDo(
    () => api.post('/exceptions', { rule, where, owner, reason, expires: new Date(Date.now() + Number(days) * 86_400_000).toISOString() }),
    () => {
      notifications.show({ message: 'From now on such events make no alert by this rule; they are counted.' });
      onClose();
    },
  );
  const line = `holdfast exceptions add ${shell(rule ?? 'RULE')} --where ${shell(where)} --owner ${shell(owner || 'OWNER')} --reason ${shell(reason || 'REASON')} --until ${Number(days) * 24}h`;
  return (
    <Modal opened onClose={onClose} title="Except from a rule" centered size="lg">
      <form
        onSubmit={(e) => {
          e.preventDefault();
          add.mutate(undefined);
        }}
      >
        <Select
          data-autofocus
          label="Rule"
          description={alerts.data && fired.length === 0 ? 'No rule fired for this event among the newest alerts; choose one all the same.' : 'Rules that fired for this event stand first.'}
          searchable
          limit={200}
          data={[...(fired.length > 0 ? [{ group: 'Fired for this event', items: fired }] : []), { group: 'Others', items: others }]}
          value={rule}
          onChange={setRule}
        />
        <Textarea mt="sm" label="Where" description="A selection in Sigma's words, as YAML or JSON" classNames={{ input: 'mono' }} autosize minRows={2} value={where} onChange={(e) => setWhere(e.currentTarget.value)} />
        <TextInput mt="sm" label="Owner" value={owner} onChange={(e) => setOwner(e.currentTarget.value)} />
        <TextInput mt="sm" label="Reason" value={reason} onChange={(e) => setReason(e.currentTarget.value)} />
        <Select mt="sm" label="For" data={[['7', '7 days'], ['30', '30 days'], ['90', '90 days'], ['365', 'a year']].map(([v, label]) => ({ value: v ?? '', label: label ?? '' }))} value={days} onChange={setDays} allowDeselect={false} />
        <p className="dim" style={{ marginBottom: 4 }}>The same from a shell; with --try 30d it only shows what it would have hidden:</p>
        <Code block className="wrap"><Outside text={line} /></Code>
        <div className="tools" style={{ marginTop: 14 }}>
          <Button type="submit" loading={add.isPending} disabled={!rule || where.trim() === '' || owner.trim() === '' || reason.trim() === ''}>Except it</Button>
          <Button variant="default" onClick={() => copy(line)}>Copy the line</Button>
        </div>
      </form>
    </Modal>
  );
}

/** Rules use the names of the source: the native field that has the value. */
function nativeName(event: Event, field: string, value: string): string {
  if (Object.hasOwn(event.fields, field)) return field;
  return Object.entries(event.fields).find(([, v]) => plain(v) === value)?.[0] ?? field;
}

function shell(s: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`;
}

/** Proposes to block an address; it is planned, and changes nothing before somebody approves. */
export function Block({ event, field, value, onClose }: { event: Event; field: string; value: string; onClose: () => void }) {
  const assets = useGet<List<Asset>>('/assets?limit=1000');
  const incidents = useGet<List<Incident>>('/incidents?limit=200');
  const own = event.text('asset');
  const [asset, setAsset] = useState<string | null>(own || null);
  const [incident, setIncident] = useState<string | null>(null);
  const [lease, setLease] = useState<string | null>('1h');
  const [why, setWhy] = useState('');
  const kind = field === 'destination.ip' ? 'destination.ip' : 'source.ip';
  const propose = useDo(
    () => api.post('/actions', { part: 'action/block-address', asset, entity: { kind, value }, lease, why, ...(incident && { incident }) }),
    () => {
      notifications.show({ message: 'Proposed. It is planned on the host, and waits for an engineer.' });
      onClose();
    },
  );
  return (
    <Modal opened onClose={onClose} title="Block this address" centered>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          propose.mutate(undefined);
        }}
      >
        <p style={{ marginTop: 0 }}><code><Outside text={value} /></code> on one host, for a time. Nothing changes before somebody approves the plan.</p>
        <Select data-autofocus label="On" searchable data={(assets.data?.items ?? []).map((a) => ({ value: a.id, label: a.name }))} value={asset} onChange={setAsset} placeholder={assets.data?.items.length === 0 ? 'No asset is enrolled' : 'Choose a host'} />
        <Select mt="sm" label="For, then it undoes itself" data={['15m', '1h', '4h', '24h', '7d']} value={lease} onChange={setLease} allowDeselect={false} />
        <Select mt="sm" label="For an incident" clearable searchable data={(incidents.data?.items ?? []).filter((i) => i.status !== 'closed').map((i) => ({ value: i.id, label: `${i.id}: ${i.title}` }))} value={incident} onChange={setIncident} />
        <Textarea mt="sm" label="Why" value={why} onChange={(e) => setWhy(e.currentTarget.value)} autosize minRows={2} maxLength={2000} />
        <Button type="submit" mt="md" loading={propose.isPending} disabled={!asset || why.trim().length < 3}>Plan it</Button>
      </form>
    </Modal>
  );
}
