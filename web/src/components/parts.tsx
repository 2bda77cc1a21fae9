import { Alert, Anchor, Badge, Box, Button, Code, Group, Loader, Menu, Stack, Table, Text, Title, UnstyledButton } from '@mantine/core';
import { IconAlertTriangle, IconCheck, IconCircleDashed, IconCircleX, IconClock, IconMinus } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import type { ReactNode } from 'react';
import { Link, useNavigate } from 'react-router';
import type { UseQueryResult } from '@tanstack/react-query';
import type { Problem } from '../api/client';
import { useDo, useSession } from '../api/client';
import type { Action, Level, Proof } from '../api/types';
import { ago, term, visible } from './text';

// useNow is the time, moved every ten seconds.
function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const t = setInterval(() => { setNow(Date.now()); }, 10_000);
    return () => { clearInterval(t); };
  }, []);
  return now;
}

export function When({ at }: { at: string | undefined }): ReactNode {
  const now = useNow();
  return <Text component="span" size="sm" c="dimmed" title={at === undefined ? undefined : new Date(at).toLocaleString()}>{ago(at, now)}</Text>;
}

const words: Record<string, { color: string; icon: ReactNode }> = {};
for (const w of ['holds', 'pass', 'passed', 'ok', 'verified', 'accepted', 'closed', 'balanced', 'enforced', 'yes']) words[w] = { color: 'teal', icon: <IconCheck size={13} /> };
for (const w of ['broken', 'fail', 'failed', 'critical', 'high', 'refused', 'does not add up']) words[w] = { color: 'red', icon: <IconCircleX size={13} /> };
for (const w of ['unknown', 'attention', 'medium', 'open', 'planned', 'approved', 'verified only', 'detected only', 'contained']) words[w] = { color: 'orange', icon: <IconAlertTriangle size={13} /> };
for (const w of ['applying', 'applied', 'undoing', 'proposed', 'running']) words[w] = { color: 'blue', icon: <IconClock size={13} /> };
for (const w of ['not-applicable', 'not-yet', 'not yet', 'undone', 'rejected']) words[w] = { color: 'gray', icon: <IconMinus size={13} /> };

// State says how something stands: by word and icon, colour only beside them.
export function State({ is, why }: { is: string; why?: string | undefined }): ReactNode {
  const w = words[is] ?? { color: 'gray', icon: <IconCircleDashed size={13} /> };
  return <Badge variant="light" color={w.color} leftSection={w.icon} title={why} tt="none" style={{ flexShrink: 0, minWidth: 'max-content' }}>{is}</Badge>;
}

export function LevelBadge({ level }: { level: Level }): ReactNode { return <State is={level} />; }

// Value is any value from outside, with what can be done with it.
export function Value({ field, value }: { field: string; value: string }): ReactNode {
  const navigate = useNavigate();
  const search = (q: string): void => { void navigate('/search?q=' + encodeURIComponent(q)); };
  const current = new URLSearchParams(window.location.search).get('q') ?? '';
  const onSearch = window.location.pathname === '/search' && !current.includes('|');
  const join = (t: string): string => (onSearch && current !== '' ? current + ' ' + t : t);
  return (
    <Menu shadow="md" position="bottom-start" withinPortal>
      <Menu.Target>
        <UnstyledButton className="value" title={field} aria-label={`${field} ${value}: what to do with it`}>{visible(value)}</UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{visible(field)}</Menu.Label>
        <Menu.Item onClick={() => { search(join(term(field, value))); }}>Include</Menu.Item>
        <Menu.Item onClick={() => { search(join('-' + term(field, value))); }}>Exclude</Menu.Item>
        <Menu.Item onClick={() => { search('"' + value.replace(/\\/g, '\\\\').replace(/"/g, '\\"') + '"'); }}>Look up</Menu.Item>
        <Menu.Item onClick={() => { void navigator.clipboard.writeText(value); }}>Copy</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

// Read shows what was read, or that it is on its way, or why it is not there.
export function Read<T>({ of, children }: { of: UseQueryResult<T, Problem>; children: (t: T) => ReactNode }): ReactNode {
  if (of.data !== undefined) return children(of.data);
  if (of.error !== null) return <Trouble error={of.error} />;
  return <Group p="md"><Loader size="sm" /><Text size="sm">Loading…</Text></Group>;
}

export function Trouble({ error }: { error: Problem }): ReactNode {
  return <Alert color="red" icon={<IconCircleX />} title="That did not work" my="sm">{visible(error.message)}</Alert>;
}

export function Page({ title, right, children }: { title: string; right?: ReactNode; children: ReactNode }): ReactNode {
  return <Stack gap="md"><Group justify="space-between"><Title order={2} size="h3">{title}</Title>{right}</Group>{children}</Stack>;
}

export function Empty({ children }: { children: ReactNode }): ReactNode {
  return <Text c="dimmed" p="md" size="sm">{children}</Text>;
}

export function Rows({ head, rows }: { head: string[]; rows: ReactNode[][] }): ReactNode {
  return (
    <Table.ScrollContainer minWidth={0}>
      <Table verticalSpacing={6} striped highlightOnHover fz="sm">
        <Table.Thead><Table.Tr>{head.map((h) => <Table.Th key={h}>{h}</Table.Th>)}</Table.Tr></Table.Thead>
        <Table.Tbody>{rows.map((r, i) => <Table.Tr key={i}>{r.map((c, j) => <Table.Td key={j} style={typeof c === 'string' && c.length < 18 ? { whiteSpace: 'nowrap' } : { overflowWrap: 'anywhere' }}>{c}</Table.Td>)}</Table.Tr>)}</Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

export function To({ href, children }: { href: string; children: ReactNode }): ReactNode {
  return <Anchor component={Link} to={href} size="sm">{children}</Anchor>;
}

// Do is a button for one effect; without the right it says so.
export function Do({ effect, label, path, method = 'POST', body, onDone, color }: { effect: string; label: string; path: string; method?: string; body?: unknown; onDone?: (t: unknown) => void; color?: string }): ReactNode {
  const session = useSession();
  const act = useDo(method, path);
  const may = session.data?.can[effect] === true;
  return (
    <Stack gap={4}>
      <Button size="xs" variant="default" {...(color === undefined ? {} : { color, variant: 'filled' })} disabled={!may} loading={act.isPending} title={may ? undefined : `You have no right to ${effect}`}
        onClick={() => { act.mutate(body ?? {}, { onSuccess: (t) => { onDone?.(t); } }); }}>{label}</Button>
      {act.error !== null && <Text size="xs" c="red" maw={420}>{visible(act.error.message)}</Text>}
    </Stack>
  );
}

export function ProofView({ proof, title }: { proof: Proof; title: string }): ReactNode {
  return (
    <Box>
      <Group gap="xs"><Text size="sm" fw={600}>{title}</Text><State is={proof.holds ? 'holds' : 'broken'} /><When at={proof.at} /></Group>
      <Rows head={['Tried', 'Wanted', 'Got', '']} rows={(proof.tests ?? []).map((t) => [visible(t.say), visible(t.want), visible(t.got), <State key="s" is={t.ok ? 'pass' : 'fail'} />])} />
    </Box>
  );
}

// ActionView is one action: the exact change, what else it hits, and the
// decisions it waits for.
export function ActionView({ action: a }: { action: Action }): ReactNode {
  const p = a.plan;
  return (
    <Box className="card">
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <Box><Group gap="xs"><Text fw={600} size="sm">{a.part}</Text><State is={a.status} />{a.expires !== undefined && ['applied', 'verified'].includes(a.status) && <Text size="sm">ends <When at={a.expires} /></Text>}</Group><Text size="sm" c="dimmed">{visible(a.why)} · {a.id}</Text></Box>
        <Group gap="xs" wrap="nowrap">
          {['planned', 'approved'].includes(a.status) && <><Do effect="action.approve" label="Approve" color="blue" path={`/actions/${a.id}/approve`} /><Do effect="action.reject" label="Reject" path={`/actions/${a.id}/reject`} body={{ because: 'not wanted' }} /></>}
          {['applied', 'verified', 'accepted'].includes(a.status) && <><Do effect="action.verify" label="Verify" path={`/actions/${a.id}/verify`} /><Do effect="action.undo" label="Undo" path={`/actions/${a.id}/undo`} /></>}
          {a.status === 'verified' && <Do effect="action.accept" label="Accept" path={`/actions/${a.id}/accept`} body={{ because: 'to stay' }} />}
        </Group>
      </Group>
      {a.error !== undefined && a.error !== '' && <Text size="sm" c="red">{visible(a.error)}</Text>}
      {p !== undefined && (
        <Stack gap={6} mt="xs">
          <Text size="sm">{visible(p.summary)}</Text>
          {(p.steps ?? []).map((s, i) => <Code block key={i}>{visible(s.do)}</Code>)}
          {p.diff !== undefined && p.diff !== '' && <Code block aria-label="diff">{p.diff.split('\n').map((l, i) => <span key={i} className={l.startsWith('+') ? 'plus' : l.startsWith('-') ? 'minus' : ''}>{visible(l)}{'\n'}</span>)}</Code>}
          {(p.hits ?? []).map((h, i) => <Text size="sm" key={i}>Also hits {h.kind} {visible(h.value)}: {visible(h.why)}</Text>)}
          {(p.refused ?? []).map((r, i) => <Text size="sm" c="red" key={i}>Refused: {visible(r)}</Text>)}
          {p.lease !== undefined && p.lease !== '0s' && <Text size="sm">Undoes itself after {p.lease}.</Text>}
          {p.confirm !== undefined && p.confirm !== '0s' && <Text size="sm">Undoes itself unless a new connection confirms it within {p.confirm}.</Text>}
        </Stack>
      )}
      {a.proof !== undefined && <ProofView proof={a.proof} title="Proof" />}
      {a.undo_proof !== undefined && <ProofView proof={a.undo_proof} title="Proof of the undo" />}
    </Box>
  );
}
