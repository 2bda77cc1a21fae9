import { ActionIcon, Button, Checkbox, Modal, TextInput } from '@mantine/core';
import { IconArrowDown, IconArrowUp } from '@tabler/icons-react';
import { useState } from 'react';

import { Outside } from '../../components/Text';
import { titles, usual } from './row';

/** Chooses the columns and their order. */
export function Columns({ cols, all, onCols, onClose }: { cols: string[]; all: string[]; onCols: (cols: string[]) => void; onClose: () => void }) {
  const [find, setFind] = useState('');
  const typed = find.trim();
  const rest = all.filter((n) => !cols.includes(n) && n.toLowerCase().includes(typed.toLowerCase()));
  const move = (name: string, by: number) => {
    const next = cols.filter((c) => c !== name);
    next.splice(cols.indexOf(name) + by, 0, name);
    onCols(next);
  };
  return (
    <Modal opened onClose={onClose} title="Columns" centered>
      <TextInput data-autofocus label="Find a field" value={find} onChange={(e) => setFind(e.currentTarget.value)} description="Any field may be a column, also one that stands in no event here." />
      <ul className="columns" aria-label="Chosen">
        {cols.map((c, i) => (
          <li key={c}>
            <Checkbox size="xs" checked label={<Outside text={(titles[c] ? `${titles[c]} (${c})` : c).slice(0, 200)} />} onChange={() => onCols(cols.filter((x) => x !== c))} />
            <ActionIcon size="sm" variant="default" aria-label={`Move ${c.slice(0, 100)} up`} disabled={i === 0} onClick={() => move(c, -1)}><IconArrowUp size={13} /></ActionIcon>
            <ActionIcon size="sm" variant="default" aria-label={`Move ${c.slice(0, 100)} down`} disabled={i === cols.length - 1} onClick={() => move(c, 1)}><IconArrowDown size={13} /></ActionIcon>
          </li>
        ))}
      </ul>
      <ul className="columns rest" aria-label="Others">
        {rest.slice(0, 200).map((c) => (
          <li key={c}><Checkbox size="xs" checked={false} label={<Outside text={c.slice(0, 200)} />} onChange={() => onCols([...cols, c])} /></li>
        ))}
        {rest.length === 0 && typed !== '' && !cols.includes(typed) && <li><Button size="compact-xs" variant="default" onClick={() => onCols([...cols, typed])}>Add <Outside text={typed.slice(0, 100)} /></Button></li>}
      </ul>
      <div className="tools" style={{ marginTop: 12 }}>
        <Button size="compact-sm" onClick={onClose}>Done</Button>
        <Button size="compact-sm" variant="default" onClick={() => onCols(usual)}>As at first</Button>
      </div>
    </Modal>
  );
}
