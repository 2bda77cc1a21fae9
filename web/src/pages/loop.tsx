import { Box, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { IconArrowRight } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useGet } from '../api/client';
import type { Overview } from '../api/types';
import { Empty, LevelBadge, Page, Read, Rows, State, To, When } from '../components/parts';
import { visible } from '../components/text';

const say: Record<string, string> = { control: 'Control: what must hold', assess: 'Assess: is it so', detect: 'Detect: what happens', respond: 'Respond: what we do', drill: 'Drill: does it work' };

export function Loop(): ReactNode {
  const loop = useGet<Overview>('/loop');
  return (
    <Page title="The loop">
      <Read of={loop}>{(o) => (
        <Stack gap="lg">
          <SimpleGrid cols={5} spacing="xs">
            {o.stages.map((s, i) => (
              <Box className="card" key={s.name}>
                <Group justify="space-between" wrap="nowrap"><Text fw={600} size="sm">{say[s.name] ?? s.name}</Text>{i < 4 && <IconArrowRight size={14} aria-hidden />}</Group>
                <Box my={6}><State is={s.state} /></Box>
                {s.numbers.map((n) => <Group key={n.label} justify="space-between" gap={4}><Text size="sm" c="dimmed">{n.label}</Text><Text size="sm" fw={600}>{n.value}</Text></Group>)}
              </Box>
            ))}
          </SimpleGrid>
          <Box>
            <Title order={3} size="h4" mb="xs">What needs a person now</Title>
            {o.stages.every((s) => s.needs.length === 0) ? <Empty>Nothing waits for you.</Empty> : (
              <Rows head={['', 'Stage', 'What', 'Since']} rows={o.stages.flatMap((s) => s.needs.map((n) => [<LevelBadge key="l" level={n.level} />, s.name, <To key="t" href={n.href}>{visible(n.say)}</To>, <When key="w" at={n.at} />]))} />
            )}
          </Box>
        </Stack>
      )}</Read>
    </Page>
  );
}
