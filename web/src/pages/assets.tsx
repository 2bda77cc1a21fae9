import { Accordion, Group, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { useParams } from 'react-router';
import { useGet } from '../api/client';
import type { Asset, List, Table, TableInfo, Verdict } from '../api/types';
import { Do, Empty, LevelBadge, Page, Read, Rows, State, To, Value, When } from '../components/parts';
import { visible } from '../components/text';

export function Assets(): ReactNode {
  const list = useGet<List<Asset>>('/assets?limit=1000');
  return (
    <Page title="Assets">
      <Read of={list}>{(l) => l.items.length === 0 ? <Empty>No host is known. `holdfast assets enrol` makes a token for its agent.</Empty> : (
        <Rows head={['Host', 'OS', 'Addresses', 'Tags', 'Agent seen', 'Lacks']} rows={l.items.map((a) => [
          <To key="t" href={'/assets/' + a.id}>{a.name}</To>, a.os, <Group key="a" gap={6}>{(a.addresses ?? []).map((x) => <Value key={x} field="source.ip" value={x} />)}</Group>,
          Object.entries(a.tags ?? {}).map(([k, v]) => `${k}=${v}`).join(' '), <When key="w" at={a.seen} />, visible((a.lacks ?? []).join('; ')),
        ])} />
      )}</Read>
    </Page>
  );
}

const order = ['fail', 'unknown', 'pass', 'not-applicable'];

export function AssetPage(): ReactNode {
  const { id = '' } = useParams();
  const asset = useGet<Asset>('/assets/' + id);
  const verdicts = useGet<List<Verdict>>(`/verdicts?asset=${id}&limit=1000`);
  const facts = useGet<List<TableInfo>>(`/assets/${id}/facts`);
  return <Read of={asset}>{(a) => (
    <Page title={a.name} right={<Do effect="asset.assess" label="Assess now" path={`/assets/${id}/assess`} />}>
      <Text size="sm">{a.id} · {a.os} · {(a.addresses ?? []).join(' ')} · agent seen <When at={a.seen} /></Text>
      <Title order={3} size="h4">Checks</Title>
      <Read of={verdicts}>{(l) => (
        <Rows head={['', '', 'Check', 'The fact that decided', 'Facts']} rows={[...l.items].sort((x, y) => order.indexOf(x.status) - order.indexOf(y.status)).map((v) => [
          <State key="s" is={v.status} />, <LevelBadge key="l" level={v.severity} />, <span key="c" title={v.check}>{v.title}</span>, <Stack key="w" gap={0}><Text size="sm">{visible(v.why)}</Text>{v.status === 'fail' && <Text size="xs" c="dimmed">{visible(v.fix ?? '')}</Text>}</Stack>, <When key="a" at={v.facts_at} />,
        ])} />
      )}</Read>
      <Title order={3} size="h4">Facts</Title>
      <Read of={facts}>{(l) => (
        <Accordion variant="contained">{l.items.map((t) => <Accordion.Item key={t.name} value={t.name}><Accordion.Control><Group><Text size="sm" fw={600}>{t.name}</Text><Text size="sm" c="dimmed">{t.rows} rows</Text>{t.error !== undefined && <Text size="sm" c="red">{visible(t.error)}</Text>}{t.partial !== undefined && <Text size="sm" c="orange">{visible(t.partial)}</Text>}</Group></Accordion.Control><Accordion.Panel><FactTable asset={id} name={t.name} /></Accordion.Panel></Accordion.Item>)}</Accordion>
      )}</Read>
    </Page>
  )}</Read>;
}

function FactTable({ asset, name }: { asset: string; name: string }): ReactNode {
  const table = useGet<Table>(`/assets/${asset}/facts/${name}`);
  return <Read of={table}>{(t) => {
    const columns = [...new Set(t.rows.slice(0, 200).flatMap((r) => Object.keys(r)))].sort();
    if (t.rows.length === 0) return <Empty>No rows.</Empty>;
    if (columns.length > 12) return <Rows head={['Row', 'Column', 'Value']} rows={t.rows.slice(0, 20).flatMap((r, i) => Object.entries(r).map(([k, v]) => [i + 1, k, visible(JSON.stringify(v))]))} />;
    return <Rows head={columns} rows={t.rows.slice(0, 500).map((r) => columns.map((c) => visible(typeof r[c] === 'string' ? r[c] : JSON.stringify(r[c] ?? ''))))} />;
  }}</Read>;
}
