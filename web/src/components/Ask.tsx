import { Button, Group, Modal, Textarea } from '@mantine/core';
import { useState } from 'react';

/** Asks for a reason before something is done. */
export function Ask({ title, label, say, onSay, onClose }: { title: string; label: string; say?: string; onSay: (text: string) => void; onClose: () => void }) {
  const [text, setText] = useState('');
  return (
    <Modal opened onClose={onClose} title={title} centered>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          onSay(text.trim());
          onClose();
        }}
      >
        {say && <p>{say}</p>}
        <Textarea data-autofocus label={label} value={text} onChange={(e) => setText(e.currentTarget.value)} autosize minRows={3} />
        <Group mt="md" justify="flex-end">
          <Button variant="default" onClick={onClose}>Cancel</Button>
          <Button type="submit" disabled={text.trim().length < 3}>{title}</Button>
        </Group>
      </form>
    </Modal>
  );
}
