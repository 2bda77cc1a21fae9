import { Button, Menu } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { IconDownload } from '@tabler/icons-react';
import { useState } from 'react';

import { file } from '../../api/client';
import { rangeOf, type State } from './state';

/** The whole answer as a file, up to a million rows. */
export function Export({ q, state }: { q: string; state: State }) {
  const [busy, setBusy] = useState(false);
  const save = (format: string) => {
    setBusy(true);
    file('/query/export', { q, ...rangeOf(state), format }).then(
      (blob) => {
        const link = document.createElement('a');
        link.href = URL.createObjectURL(blob);
        link.download = `events.${format}`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      },
      (error: unknown) => notifications.show({ color: 'red', title: 'The export did not work', message: error instanceof Error ? error.message : 'The connection broke.', autoClose: 12_000 }),
    ).finally(() => setBusy(false));
  };
  return (
    <Menu withinPortal shadow="md" position="bottom-end">
      <Menu.Target><Button size="compact-xs" variant="default" loading={busy} leftSection={<IconDownload size={13} />}>Export</Button></Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>All rows of the answer</Menu.Label>
        <Menu.Item onClick={() => save('parquet')}>Parquet</Menu.Item>
        <Menu.Item onClick={() => save('ndjson')}>NDJSON</Menu.Item>
        <Menu.Item onClick={() => save('csv')}>CSV</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
