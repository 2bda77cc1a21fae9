import { ActionIcon } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { IconCopy } from '@tabler/icons-react';

/** A line for a shell, with a button that copies it. */
export function Copyable({ text, what }: { text: string; what: string }) {
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => notifications.show({ message: 'Copied.', autoClose: 1500 }),
      () => notifications.show({ color: 'red', message: 'The browser does not let this page copy.' }),
    );
  };
  return (
    <div className="copyable">
      <pre className="raw" tabIndex={0} aria-label={what}>{text}</pre>
      <ActionIcon variant="default" size="sm" aria-label={`Copy ${what}`} title="Copy" onClick={copy}><IconCopy size={14} aria-hidden /></ActionIcon>
    </div>
  );
}
