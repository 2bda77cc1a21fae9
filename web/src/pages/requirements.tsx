import { Box, Code, Group, Select, Stack, Text, Title } from '@mantine/core';
import { useState } from 'react';
import type { ReactNode } from 'react';
import { useParams } from 'react-router';
import { useGet } from '../api/client';
import type { Asset, Facet, Fault, List, RequirementView, Standing } from '../api/types';
import { ActionView, Do, Empty, Page, Read, Rows, State, To } from '../components/parts';
import { visible } from '../components/text';

const rank = ['not-applicable', 'holds', 'excepted', 'not-yet', 'unknown', 'broken'];

function worst(standings: Standing[], facet: 'implemented' | 'verified' | 'monitored' | 'drilled'): Facet {
  return standings.map((s) => s[facet]).reduce((a, b) => (rank.indexOf(b.state) > rank.indexOf(a.state) ? b : a), { state: 'not-applicable', why: 'no asset is concerned' });
}

export function Requirements(): ReactNode {
  const list = useGet<List<RequirementView> & { faults: Fault[] | null }>('/requirements');
  return (
    <Page title="Requirements">
      <Read of={list}>{(l) => (
        <Stack>
          {(l.faults ?? []).map((f, i) => <Text key={i} size="sm" c="red">{f.file}:{f.line ?? 0}:{f.column ?? 0}: {visible(f.what)}; {f.do}</Text>)}
          <Rows head={['Requirement', 'Says', 'Implemented', 'Verified', 'Monitored', 'Drilled']} rows={l.items.map((v) => [
            <To key="t" href={'/requirements/' + v.requirement.id}>{v.requirement.id}</To>, visible(v.requirement.say),
            ...(['implemented', 'verified', 'monitored', 'drilled'] as const).map((f) => { const w = worst(v.standings, f); return <State key={f} is={w.state} why={w.why} />; }),
          ])} />
        </Stack>
      )}</Read>
    </Page>
  );
}

export function RequirementPage(): ReactNode {
  const { id = '' } = useParams();
  const view = useGet<RequirementView>('/requirements/' + id);
  const assets = useGet<List<Asset>>('/assets');
  const [asset, setAsset] = useState<string | null>(null);
  const on = asset ?? assets.data?.items[0]?.id ?? '';
  const name = (a: string): string => assets.data?.items.find((x) => x.id === a)?.name ?? a;
  return (
    <Page title={id}>
      <Read of={view}>{(v) => (
        <Stack>
          <Text>{visible(v.requirement.say)}</Text>
          <Text size="sm" c="dimmed">Owner {v.requirement.owner}, written in {v.requirement.file}:{v.requirement.line}. {Object.entries(v.requirement.maps ?? {}).map(([k, c]) => `${k}: ${c.join(', ')}`).join(' · ')}</Text>
          <Rows head={['Verb', 'Clause', 'How', 'Parts']} rows={v.requirement.clauses.map((c) => [c.verb, visible(c.text), <Box key="h"><State is={c.how} />{c.why !== undefined && <Text size="xs" c="dimmed">{visible(c.why)}</Text>}</Box>, [...(c.artefacts ?? []), ...(c.checks ?? []), ...(c.rules ?? []), ...(c.drills ?? [])].join(', ')])} />
          <Title order={3} size="h4">How it stands</Title>
          {v.standings.length === 0 ? <Empty>It concerns no host that is known.</Empty> : v.standings.map((s) => (
            <Box className="card" key={s.asset}><To href={'/assets/' + s.asset}>{name(s.asset)}</To>
              <Rows head={['Facet', '', 'Why']} rows={(['implemented', 'verified', 'monitored', 'drilled'] as const).map((f) => [f, <State key="s" is={s[f].state} />, visible(s[f].why)])} />
            </Box>
          ))}
          <Title order={3} size="h4">Change</Title>
          <Group align="flex-end"><Select label="Host" data={(assets.data?.items ?? []).map((a) => ({ value: a.id, label: a.name }))} value={on} onChange={setAsset} /><Do effect="requirement.plan" label="Plan" path={`/requirements/${id}/plan`} body={{ asset: on }} /><Do effect="requirement.verify" label="Verify" path={`/requirements/${id}/verify`} body={{ asset: on }} /></Group>
          {(v.actions ?? []).length === 0 ? <Empty>Nothing was planned yet. Plan shows the exact change and changes nothing.</Empty> : (v.actions ?? []).map((a) => <ActionView action={a} key={a.id} />)}
          <Title order={3} size="h4">As written</Title>
          <Code block>{visible(v.requirement.source)}</Code>
        </Stack>
      )}</Read>
    </Page>
  );
}
