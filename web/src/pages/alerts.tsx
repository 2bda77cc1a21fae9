import { Box, Group, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { useParams } from 'react-router';
import { useGet } from '../api/client';
import type { Alert, Entity, List } from '../api/types';
import { Do, Empty, LevelBadge, Page, Read, Rows, State, To, Value, When } from '../components/parts';
import { visible } from '../components/text';

export function Entities({ of }: { of: Entity[] | null | undefined }): ReactNode {
  return <Group gap={8}>{(of ?? []).map((e) => <Text component="span" size="sm" key={e.kind + e.value}><Text component="span" size="xs" c="dimmed">{e.kind} </Text><Value field={e.kind} value={e.value} /></Text>)}</Group>;
}

export function Alerts(): ReactNode {
  const list = useGet<List<Alert>>('/alerts?limit=200');
  return (
    <Page title="Alerts">
      <Read of={list}>{(l) => l.items.length === 0 ? <Empty>No rule has fired yet. A drill shows that they can: see Drills.</Empty> : (
        <Rows head={['', 'Alert', 'Group', 'Events', 'Last', 'Incident', 'Status']} rows={l.items.map((a) => [
          <LevelBadge key="l" level={a.level} />, <To key="t" href={'/alerts/' + a.id}>{visible(a.title)}</To>, <Entities key="e" of={a.group} />, a.count, <When key="w" at={a.last} />,
          a.incident !== undefined ? <To key="i" href={'/incidents/' + a.incident}>{a.incident}</To> : '', <Group key="s" gap={4}><State is={a.status} />{a.drill !== undefined && <State is="drill" />}</Group>,
        ])} />
      )}</Read>
    </Page>
  );
}

export function AlertPage(): ReactNode {
  const { id = '' } = useParams();
  const alert = useGet<Alert>('/alerts/' + id);
  return <Read of={alert}>{(a) => (
    <Page title={visible(a.title)} right={a.status === 'open' ? <Do effect="alert.close" label="Close alert" path={`/alerts/${a.id}/close`} body={{ because: 'looked at, nothing more to do' }} /> : <State is={a.status} />}>
      <Group><LevelBadge level={a.level} /><Text size="sm">{a.count} events, first <When at={a.first} />, last <When at={a.last} /></Text>{a.incident !== undefined && <To href={'/incidents/' + a.incident}>{a.incident}</To>}<Text size="sm" c="dimmed">{(a.attack ?? []).join(', ')}</Text></Group>
      <Entities of={a.entities} />
      <AlertDetail alert={a} />
    </Page>
  )}</Read>;
}

// AlertDetail says why an alert fired: its stages, and what matched in which
// event.
export function AlertDetail({ alert: a }: { alert: Alert }): ReactNode {
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">Rules</Title>
      <Rows head={['', 'Rule', 'Why', 'When']} rows={a.stages.map((s) => [<LevelBadge key="l" level={s.level} />, s.title, visible(s.why), <When key="w" at={s.time} />])} />
      <Title order={3} size="h5">Events</Title>
      {(a.matches ?? []).map((m) => (
        <Box key={m.event + m.rule} className="card">
          <Text size="sm" ff="monospace" style={{ overflowWrap: 'anywhere' }}>{visible(m.message)}</Text>
          <Text size="xs" c="dimmed">{new Date(m.time).toLocaleString()} · {m.dataset} · {m.rule}</Text>
          {(m.because ?? []).map((p, i) => <Text size="sm" key={i}>{visible(p.field || 'anywhere')} {p.op} {visible(p.want)}; it was <Value field={p.field || 'raw'} value={p.got} /></Text>)}
        </Box>
      ))}
    </Stack>
  );
}
