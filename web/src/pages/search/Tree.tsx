import { Modal } from '@mantine/core';
import { useRef, useState, type KeyboardEvent } from 'react';
import { useNavigate } from 'react-router';

import { path } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { ProcessNode, ProcessTree } from '../../api/types';
import { Loaded } from '../../components/Page';
import { Clock, Outside } from '../../components/Text';

/** The processes around an event: what started it, and what it started. */
export function Tree({ event, onClose }: { event: string; onClose: () => void }) {
  const tree = useGet<ProcessTree>(path`/events/${event}/processes`);
  return (
    <Modal opened onClose={onClose} title="Process tree" size="xl" centered>
      <Loaded of={tree}>
        {(t) => (
          <>
            <Nodes tree={t} onClose={onClose} />
            <p className="dim">
              {t.by === 'guid' ? 'Tied together by the ids of processes, which no two have.' : 'Tied together by the numbers of processes; hosts use these again, and the last start before counts.'}
              {' '}Looked for from <Clock at={t.from} /> to <Clock at={t.to} />.{t.more && ' There are more processes than these.'} Enter shows a process' own event.
            </p>
          </>
        )}
      </Loaded>
    </Modal>
  );
}

function Nodes({ tree, onClose }: { tree: ProcessTree; onClose: () => void }) {
  const navigate = useNavigate();
  const nodes = tree.nodes;
  const [at, setAt] = useState(() => Math.max(nodes.findIndex((n) => n.of), 0));
  const list = useRef<HTMLUListElement>(null);
  const show = (n: ProcessNode | undefined) => {
    if (!n?.event) return;
    const to = new URLSearchParams({ q: `id:${n.event}`, from: tree.from, to: tree.to, open: n.event });
    onClose();
    void navigate(`/search?${to.toString()}`);
  };
  const onKeyDown = (e: KeyboardEvent) => {
    const depth = nodes[at]?.depth ?? 0;
    const to: Record<string, number> = {
      ArrowDown: at + 1, j: at + 1, ArrowUp: at - 1, k: at - 1, Home: 0, End: nodes.length - 1,
      ArrowLeft: nodes.findLastIndex((n, i) => i < at && n.depth < depth),
      ArrowRight: (nodes[at + 1]?.depth ?? 0) > depth ? at + 1 : at,
    };
    const next = to[e.key];
    if (e.key === 'Enter' || e.key === ' ') show(nodes[at]);
    else if (next === undefined) return;
    else {
      const i = Math.min(Math.max(next, 0), nodes.length - 1);
      setAt(i);
      list.current?.querySelectorAll<HTMLElement>('[role=treeitem]')[i]?.focus();
    }
    e.preventDefault();
  };
  return (
    <ul role="tree" aria-label="Processes" className="tree" ref={list} onKeyDown={onKeyDown}>
      {nodes.map((n, i) => (
        <li
          key={`${n.event ?? ''} ${n.id} ${i}`}
          role="treeitem"
          aria-level={n.depth + 1}
          aria-selected={i === at}
          aria-current={n.of ? 'true' : undefined}
          tabIndex={i === at ? 0 : -1}
          data-autofocus={i === at || undefined}
          className={n.of ? 'self' : ''}
          style={{ paddingLeft: 10 + Math.min(n.depth, 24) * 18 }}
          onFocus={() => setAt(i)}
          onClick={() => setAt(i)}
          onDoubleClick={() => show(n)}
        >
          <span className="stem" aria-hidden>{n.depth > 0 ? '└ ' : ''}</span>
          <b><Outside text={(base(n.image) || 'unknown').slice(0, 200)} /></b> <span className="dim"><Outside text={n.id.slice(0, 60)} /></span>
          {n.of && <span className="mark info">this event</span>}
          {n.time && !n.time.startsWith('0001-') ? <span className="when"><Clock at={n.time} /></span> : <span className="when dim">told of by its child</span>}
          <div className="command"><Outside text={(n.command || n.image).slice(0, 500)} /></div>
          {n.user && <div className="dim"><Outside text={n.user.slice(0, 200)} /></div>}
        </li>
      ))}
    </ul>
  );
}

function base(image: string): string {
  return image.slice(Math.max(image.lastIndexOf('/'), image.lastIndexOf('\\')) + 1);
}
