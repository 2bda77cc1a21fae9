import { Alert, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { useGet } from '../api/client';
import type { InputInfo, List, Status } from '../api/types';
import { Empty, Page, Read, Rows, State, Value, When } from '../components/parts';
import { balanced, bytes, visible } from '../components/text';

export function Health(): ReactNode {
  const status = useGet<Status>('/status');
  const inputs = useGet<List<InputInfo>>('/inputs');
  return (
    <Page title="Pipeline health">
      <Read of={status}>{(s) => (
        <Stack>
          {!s.ingest.accepting && <Alert color="red" title="Events are refused">{visible(s.ingest.why ?? '')}. Senders keep them and try again; it goes on by itself when there is room.</Alert>}
          <SimpleGrid cols={4}>
            {[['Version', s.version], ['Memory', bytes(s.memory.rss_bytes)], ['Disk free', `${bytes(s.disk.free)} of ${bytes(s.disk.total)}`], ['Events', `${s.events.events} in ${s.events.segments} segments, ${bytes(s.events.bytes)}`], ['Newest block', `${s.bus.last} (written ${s.bus.written}, detected ${s.bus.detected})`], ['Rules', String(s.rules.loaded)], ['Checks', String(s.checks.loaded)], ['Requirements', String(s.requirements.loaded)]].map(([k, v]) => <div className="card" key={k}><Text size="xs" c="dimmed">{k}</Text><Text size="sm" fw={600}>{v}</Text></div>)}
          </SimpleGrid>
          <Title order={3} size="h4">Ledger: received = stored + rejected + dead-lettered + waiting</Title>
          {(s.ledger ?? []).length === 0 ? <Empty>Nothing has come in yet.</Empty> : <Rows head={['Source', 'Received', 'Stored', 'Rejected', 'Dead-lettered', 'Waiting', 'Last', '']} rows={(s.ledger ?? []).map((r) => [<Value key="v" field="source" value={r.source} />, r.received, r.stored, r.rejected, r.dead_lettered, r.waiting, <When key="w" at={r.last} />, <State key="s" is={balanced(r) ? 'balanced' : 'does not add up'} why={r.lossy} />])} />}
          <Title order={3} size="h4">Troubles</Title>
          {(s.notes ?? []).length === 0 ? <Empty>None.</Empty> : <Rows head={['Where', 'What', 'Since']} rows={(s.notes ?? []).map((n) => [visible(n.source), visible(n.trouble), <When key="w" at={n.at} />])} />}
          <Title order={3} size="h4">Files that were not loaded</Title>
          {[s.rules, s.checks, s.requirements].every((l) => (l.faults ?? []).length === 0) ? <Empty>All were.</Empty> : <Rows head={['Where', 'What', 'What to do']} rows={[s.rules, s.checks, s.requirements].flatMap((l) => (l.faults ?? []).map((f) => [`${f.file}:${f.line ?? 0}:${f.column ?? 0}`, visible(f.what), visible(f.do ?? '')]))} />}
        </Stack>
      )}</Read>
      <Title order={3} size="h4">Ways in</Title>
      <Read of={inputs}>{(l) => <Rows head={['Source', 'Received', 'Last', 'Trouble']} rows={l.items.map((i) => [visible(i.source), i.received, <When key="w" at={i.last} />, visible(i.trouble ?? i.lossy ?? '')])} />}</Read>
    </Page>
  );
}
