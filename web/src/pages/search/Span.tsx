import { ActionIcon, Button, Popover, TextInput, Tooltip } from '@mantine/core';
import { IconChevronLeft, IconChevronRight, IconZoomIn, IconZoomOut } from '@tabler/icons-react';
import { useState } from 'react';

import { rangeOf, type Change, type State } from './state';

/** Moves and zooms the span of time from the keyboard, as dragging over the chart does with a mouse. */
export function Span({ state, change }: { state: State; change: (to: Change) => void }) {
  const now = () => {
    const { from, to } = rangeOf(state);
    return [Date.parse(from), Date.parse(to)] as const;
  };
  const set = (from: number, to: number) => change({ from: new Date(from).toISOString(), to: new Date(to).toISOString() });
  const by = (share: number) => () => {
    const [a, b] = now();
    set(a + (b - a) * share, b + (b - a) * share);
  };
  const zoom = (factor: number) => () => {
    const [a, b] = now();
    const half = Math.max(((b - a) * factor) / 2, 500);
    const mid = (a + b) / 2;
    set(mid - half, mid + half);
  };
  return (
    <div className="tools">
      <Act say="Earlier" onClick={by(-0.5)}><IconChevronLeft size={14} /></Act>
      <Act say="Later" onClick={by(0.5)}><IconChevronRight size={14} /></Act>
      <Act say="Zoom in" onClick={zoom(0.5)}><IconZoomIn size={14} /></Act>
      <Act say="Zoom out" onClick={zoom(2)}><IconZoomOut size={14} /></Act>
      <Chosen state={state} onChoose={set} />
      {state.from && <Button size="compact-xs" variant="default" onClick={() => change({ from: null, to: null })}>Back to now</Button>}
    </div>
  );
}

function Act({ say, onClick, children }: { say: string; onClick: () => void; children: React.ReactNode }) {
  return <Tooltip label={say}><ActionIcon size="sm" variant="default" aria-label={say} onClick={onClick}>{children}</ActionIcon></Tooltip>;
}

function Chosen({ state, onChoose }: { state: State; onChoose: (from: number, to: number) => void }) {
  const [open, setOpen] = useState(false);
  const [from, setFrom] = useState('');
  const [to, setTo] = useState('');
  const a = Date.parse(from);
  const b = Date.parse(to);
  return (
    <Popover opened={open} onChange={setOpen} withinPortal trapFocus position="bottom-start" shadow="md">
      <Popover.Target>
        <Button
          size="compact-xs"
          variant="default"
          aria-expanded={open}
          onClick={() => {
            const r = rangeOf(state);
            setFrom(local(r.from));
            setTo(local(r.to));
            setOpen(!open);
          }}
        >
          From… to…
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <form
          onSubmit={(e) => {
            e.preventDefault();
            setOpen(false);
            onChoose(a, b);
          }}
        >
          <TextInput type="datetime-local" step={1} label="From" value={from} onChange={(e) => setFrom(e.currentTarget.value)} />
          <TextInput mt="xs" type="datetime-local" step={1} label="To" value={to} onChange={(e) => setTo(e.currentTarget.value)} />
          <Button type="submit" mt="sm" size="compact-sm" disabled={!(a < b)}>Look there</Button>
        </form>
      </Popover.Dropdown>
    </Popover>
  );
}

/** A time as the browser's field for times has it, in the reader's zone. */
function local(iso: string): string {
  const d = new Date(iso);
  return new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
