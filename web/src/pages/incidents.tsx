import { Accordion, Alert, Box, Button, Checkbox, Group, Stack, Text, Textarea, Title } from '@mantine/core';
import { IconCheck, IconLock } from '@tabler/icons-react';
import { useState } from 'react';
import type { ReactNode } from 'react';
import { useParams } from 'react-router';
import { useDo, useGet } from '../api/client';
import type { Incident, IncidentView, List } from '../api/types';
import { ActionView, Do, Empty, LevelBadge, Page, Read, Rows, State, To, Trouble, When } from '../components/parts';
import { visible } from '../components/text';
import { AlertDetail, Entities } from './alerts';

export function Incidents(): ReactNode {
  const list = useGet<List<Incident>>('/incidents?limit=200');
  return (
    <Page title="Incidents">
      <Read of={list}>{(l) => l.items.length === 0 ? <Empty>There was no incident yet.</Empty> : (
        <Rows head={['Rank', '', 'Incident', 'Status', 'Why this rank', 'Updated']} rows={l.items.map((i) => [
          i.rank, <LevelBadge key="l" level={i.level} />, <To key="t" href={'/incidents/' + i.id}>{i.id}: {visible(i.title)}</To>, <Group gap={4} key="s"><State is={i.status} />{i.drill !== undefined && <State is="drill" />}</Group>,
          visible((i.reasons ?? []).map((r) => `+${r.points} ${r.why}`).join('; ')), <When key="w" at={i.updated} />,
        ])} />
      )}</Read>
    </Page>
  );
}

export function IncidentPage(): ReactNode {
  const { id = '' } = useParams();
  const view = useGet<IncidentView>('/incidents/' + id);
  return <Read of={view}>{(v) => <One view={v} />}</Read>;
}

function One({ view: v }: { view: IncidentView }): ReactNode {
  const i = v.incident;
  return (
    <Page title={`${i.id}: ${visible(i.title)}`} right={<Group><State is={i.status} /><LevelBadge level={i.level} /><Text fw={600}>rank {i.rank}</Text></Group>}>
      <Text size="sm">Opened <When at={i.opened} />, last news <When at={i.updated} />. {visible((i.reasons ?? []).map((r) => `+${r.points} ${r.why}`).join('; '))}</Text>
      {(i.requirements ?? []).map((r) => <Alert key={r.requirement + r.asset} color="red" icon={<IconLock />} title={<>It shows <To href={'/requirements/' + r.requirement}>{r.requirement}</To> to be broken</>}>{visible(r.why)} (check {r.check})</Alert>)}
      <Box><Title order={3} size="h4">Who and what</Title><Entities of={i.entities} /></Box>
      {i.status !== 'closed' && <GateView view={v} />}
      <Box><Title order={3} size="h4" mb={6}>Actions</Title><Stack gap="xs">{v.actions.length === 0 ? <Empty>Nothing was proposed.</Empty> : v.actions.map((a) => <ActionView action={a} key={a.id} />)}</Stack></Box>
      <Tasks incident={i} />
      <Box><Title order={3} size="h4">Timeline</Title><Rows head={['When', 'What', '']} rows={[...(i.timeline ?? [])].reverse().map((m) => [new Date(m.at).toLocaleTimeString(), m.kind, visible(m.say)])} /></Box>
      <Box><Title order={3} size="h4">Alerts</Title><Accordion variant="contained">{v.alerts.map((a) => <Accordion.Item value={a.id} key={a.id}><Accordion.Control><Group><LevelBadge level={a.level} /><Text size="sm">{visible(a.title)}, {a.count} events</Text></Group></Accordion.Control><Accordion.Panel><AlertDetail alert={a} /></Accordion.Panel></Accordion.Item>)}</Accordion></Box>
      <Notes incident={i} />
    </Page>
  );
}

function GateView({ view: v }: { view: IncidentView }): ReactNode {
  const id = v.incident.id;
  const o = v.incident.override;
  return (
    <Box className="card">
      <Group justify="space-between"><Title order={3} size="h4">What keeps it open</Title><Group><Do effect="incident.close" label="Close" path={`/incidents/${id}/close`} />{v.gate.length > 0 && o === undefined && <Do effect="incident.override" label="Ask to close anyway for 24 h" path={`/incidents/${id}/override`} body={{ because: 'asked in the console', ttl: '24h' }} />}{o !== undefined && o.granted_by === undefined && <Do effect="incident.grant" label={`Grant what ${o.asked_by} asked`} path={`/incidents/${id}/override/grant`} />}</Group></Group>
      {v.gate.length === 0 ? <Group gap={6}><IconCheck size={16} /><Text size="sm">Nothing stands open. It can be closed.</Text></Group> : <Rows head={['Gate', 'On', 'What', 'What settles it']} rows={v.gate.map((g) => [g.gate, visible(g.entity), visible(g.what), <Text key="d" size="sm" ff="monospace">{visible(g.do)}</Text>])} />}
    </Box>
  );
}

function Tasks({ incident: i }: { incident: Incident }): ReactNode {
  return (
    <Box>
      <Title order={3} size="h4">Tasks</Title>
      {(i.tasks ?? []).length === 0 ? <Empty>None.</Empty> : (i.tasks ?? []).map((t) => <TaskRow incident={i.id} task={t} key={t.id} />)}
    </Box>
  );
}

function TaskRow({ incident, task: t }: { incident: string; task: { id: string; say: string; done: boolean; by?: string } }): ReactNode {
  const act = useDo('POST', `/incidents/${incident}/task/${t.id}`);
  return <Checkbox my={4} label={visible(t.say) + (t.by !== undefined && t.by !== '' ? ` (${t.by})` : '')} checked={t.done} onChange={(e) => { act.mutate({ done: e.currentTarget.checked }); }} />;
}

function Notes({ incident: i }: { incident: Incident }): ReactNode {
  const [text, setText] = useState('');
  const act = useDo('POST', `/incidents/${i.id}/note`);
  return (
    <Stack gap="xs">
      <Title order={3} size="h4">Notes</Title>
      {(i.notes ?? []).map((n, k) => <Box key={k} className="card"><Text size="xs" c="dimmed">{n.by}, <When at={n.at} /></Text><Text size="sm" style={{ whiteSpace: 'pre-wrap' }}>{visible(n.text)}</Text></Box>)}
      <Textarea aria-label="New note" placeholder="What you saw, did or decided" value={text} onChange={(e) => { setText(e.currentTarget.value); }} autosize minRows={2} />
      <Group><Button size="xs" variant="default" disabled={text === ''} loading={act.isPending} onClick={() => { act.mutate({ text }, { onSuccess: () => { setText(''); } }); }}>Add note</Button></Group>
      {act.error !== null && <Trouble error={act.error} />}
    </Stack>
  );
}
