import { Box, Code, Group, MultiSelect, Select, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ReactNode } from 'react';
import { useGet } from '../api/client';
import type { Asset, Drill, EvidenceEntry, List, User } from '../api/types';
import { Do, Empty, Page, Read, Rows, State, To, When } from '../components/parts';
import { visible } from '../components/text';

const ms = (ns: number): string => `${(ns / 1e6).toFixed(0)} ms`;

export function Drills(): ReactNode {
  const list = useGet<List<Drill>>('/drills');
  const kinds = useGet<List<{ name: string; title: string; description: string }>>('/catalogue/drills');
  const assets = useGet<List<Asset>>('/assets');
  const [asset, setAsset] = useState<string | null>(null);
  const on = asset ?? assets.data?.items[0]?.id ?? '';
  return (
    <Page title="Drills">
      <Select label="Against" w={260} data={(assets.data?.items ?? []).map((a) => ({ value: a.id, label: a.name }))} value={on} onChange={setAsset} />
      <Read of={kinds}>{(k) => <Group>{k.items.map((x) => <Box key={x.name} className="card" maw={420}><Text size="sm" fw={600}>{x.title}</Text><Text size="sm" c="dimmed" mb={6}>{x.description}</Text><Do effect="drill.run" label={'Run ' + x.name} path="/drills" body={{ kind: x.name, asset: on }} /></Box>)}</Group>}</Read>
      <Read of={list}>{(l) => l.items.length === 0 ? <Empty>None was run yet.</Empty> : <Rows head={['', 'Drill', 'Target', 'Hop by hop', 'When', 'Why']} rows={l.items.map((d) => [<State key="s" is={d.status} />, d.kind, d.target, (d.hops ?? []).map((h) => `${h.name} +${ms(h.took)}${h.ok ? '' : ' (missing)'}`).join(' → '), <When key="w" at={d.started} />, visible(d.why ?? '')])} />}</Read>
    </Page>
  );
}

export function EvidencePage(): ReactNode {
  const list = useGet<List<EvidenceEntry>>('/evidence?limit=200');
  const point = useGet<{ text: string; size: number }>('/evidence/checkpoint');
  return (
    <Page title="Evidence">
      <Read of={point}>{(p) => <Stack gap={4}><Text size="sm">{p.size} records. Keep this checkpoint elsewhere: with it, `holdfast evidence verify --known FILE` also finds a log that was cut.</Text><Code block>{visible(p.text)}</Code></Stack>}</Read>
      <Read of={list}>{(l) => <Rows head={['Index', 'When', 'Who', 'Did', 'On', 'Outcome']} rows={l.items.map((e) => [e.index, new Date(e.evidence.at).toLocaleString(), visible(e.evidence.who), e.evidence.did, visible(e.evidence.on), visible(e.evidence.outcome)])} />}</Read>
    </Page>
  );
}

export function Users(): ReactNode {
  const list = useGet<List<User>>('/users');
  const [name, setName] = useState('');
  const [roles, setRoles] = useState<string[]>(['analyst']);
  const [link, setLink] = useState('');
  return (
    <Page title="Users">
      <Read of={list}>{(l) => <Rows head={['Name', 'Roles', 'Seen', '']} rows={l.items.map((u) => [u.name, u.roles.join(', '), <When key="w" at={u.seen} />, u.disabled === true ? <State key="s" is="disabled" /> : ''])} />}</Read>
      <Group align="flex-end"><TextInput label="New user" value={name} onChange={(e) => { setName(e.currentTarget.value); }} /><MultiSelect label="Roles" data={['analyst', 'engineer', 'architect', 'auditor']} value={roles} onChange={setRoles} /><Do effect="user.create" label="Create" path="/users" body={{ name, roles }} onDone={(t) => { setLink((t as { link: string }).link); }} /></Group>
      {link !== '' && <Text size="sm">Logs in once, within 30 minutes, at <Code>{link}</Code></Text>}
      <Text size="sm" c="dimmed">What each role may do: <To href="/evidence">everything done is on record</To>.</Text>
    </Page>
  );
}
