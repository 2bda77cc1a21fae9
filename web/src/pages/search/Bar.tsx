import { Button, Select, Textarea } from '@mantine/core';
import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';

import { api } from '../../api/client';
import { useSession } from '../../api/hooks';
import type { Completion } from '../../api/types';
import { span } from '../../components/text';
import { Outside } from '../../components/Text';
import { rangeOf, ranges, type State } from './state';

interface Item { text: string; kind: string; detail?: string | undefined }
interface Offer { from: number; to: number; items: Item[]; history?: boolean }

/** The last searches of a person, kept in the browser. */
function historyOf(user: string): string[] {
  try {
    const kept = JSON.parse(localStorage.getItem(`holdfast.searches.${user}`) ?? '[]') as unknown;
    return Array.isArray(kept) ? kept.filter((q): q is string => typeof q === 'string').slice(0, 50) : [];
  } catch {
    return [];
  }
}

export function remember(user: string, q: string): void {
  if (q.trim() === '' || q.length > 10_000) return;
  try {
    localStorage.setItem(`holdfast.searches.${user}`, JSON.stringify([q, ...historyOf(user).filter((old) => old !== q)].slice(0, 50)));
  } catch {
    // No room, or not allowed: searches are not remembered then.
  }
}

interface Props {
  state: State;
  text: string;
  onText: (text: string) => void;
  onRun: (text: string) => void;
  onRange: (last: string) => void;
  running: boolean;
  tools?: ReactNode;
}

/** The bar: a search of one or more lines, completed as it is written. */
export function Bar({ state, text, onText, onRun, onRange, running, tools }: Props) {
  const { user } = useSession();
  const box = useRef<HTMLTextAreaElement>(null);
  const list = useId();
  const [offer, setOffer] = useState<Offer>();
  const [at, setAt] = useState(-1);
  const due = useRef<ReturnType<typeof setTimeout>>(undefined);
  const abort = useRef<AbortController>(undefined);
  const put = useRef<number>(undefined); // where the cursor goes once the text is there
  useEffect(() => box.current?.focus(), []);
  useEffect(() => {
    if (put.current !== undefined) box.current?.setSelectionRange(put.current, put.current);
    put.current = undefined;
  }, [text]);
  useEffect(() => () => {
    clearTimeout(due.current);
    abort.current?.abort();
  }, []);
  useEffect(() => {
    if (at >= 0) document.getElementById(`${list}-${at}`)?.scrollIntoView({ block: 'nearest' });
  }, [at, list]);

  const close = () => {
    clearTimeout(due.current);
    abort.current?.abort();
    setOffer(undefined);
    setAt(-1);
  };
  const complete = (q: string, cursor: number, wait: number, asked = false) => {
    clearTimeout(due.current);
    abort.current?.abort();
    const ours = new AbortController();
    abort.current = ours;
    due.current = setTimeout(() => {
      const bytes = new TextEncoder().encode(q.slice(0, cursor)).length;
      api.post<Completion>('/query/complete', { q, cursor: bytes, ...rangeOf(state) }, ours.signal).then(
        (c) => {
          if (ours.signal.aborted) return;
          const [from] = span(q, c.from, 0);
          const [to] = span(q, c.to, 0);
          const typed = q.slice(from, to);
          const items = (c.items as Completion['items'] | null ?? []).slice(0, 50);
          const done = items.length === 0 || (items.length === 1 && items[0]?.text === typed);
          setOffer(done || (!asked && typed === '' && !/[:|"'(]\s*$/.test(q.slice(0, cursor))) ? undefined : { from, to, items });
          setAt(-1);
        },
        () => undefined, // nothing is offered then
      );
    }, wait);
  };
  const take = (item: Item | undefined) => {
    if (!offer || !item) return;
    if (offer.history) {
      put.current = item.text.length;
      onText(item.text);
      close();
      return;
    }
    const next = text.slice(0, offer.from) + item.text + text.slice(offer.to);
    const cursor = offer.from + item.text.length;
    put.current = cursor;
    onText(next);
    setOffer(undefined);
    setAt(-1);
    if (/[:(]$/.test(item.text)) complete(next, cursor, 0, true); // what comes next is asked for at once
  };
  const run = () => {
    close();
    remember(user, text);
    onRun(text);
  };
  const onKeyDown = (e: KeyboardEvent<HTMLTextAreaElement>) => {
    if (e.nativeEvent.isComposing) return;
    const n = offer?.items.length ?? 0;
    if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
      e.preventDefault();
      run();
    } else if (e.key === 'Enter' && !e.shiftKey) {
      e.preventDefault();
      if (offer && at >= 0) take(offer.items[at]);
      else run();
    } else if (e.key === ' ' && e.ctrlKey) {
      e.preventDefault();
      complete(text, e.currentTarget.selectionStart, 0, true);
    } else if (offer && e.key === 'Escape') {
      e.preventDefault();
      close();
    } else if (offer && e.key === 'Tab' && !e.shiftKey && (at >= 0 || !offer.history)) {
      e.preventDefault();
      take(offer.items[Math.max(at, 0)]);
    } else if (offer && (e.key === 'ArrowDown' || e.key === 'ArrowUp')) {
      e.preventDefault();
      setAt(e.key === 'ArrowDown' ? (at + 1) % n : (at <= 0 ? n : at) - 1);
    } else if (!offer && e.key === 'ArrowUp' && text === '') {
      const items = historyOf(user).map((q) => ({ text: q, kind: 'before' }));
      if (items.length === 0) return;
      e.preventDefault();
      setOffer({ from: 0, to: 0, items, history: true });
      setAt(0);
    }
  };
  return (
    <form
      role="search"
      className="bar"
      onSubmit={(e) => {
        e.preventDefault();
        run();
      }}
    >
      <div className="bar-text">
        <Textarea
          ref={box}
          id="query"
          aria-label="Query"
          size="sm"
          autosize
          minRows={1}
          maxRows={12}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          classNames={{ input: 'mono' }}
          placeholder="dataset:linux.sshd | summarize count() by src_ip"
          value={text}
          role="combobox"
          aria-autocomplete="list"
          aria-expanded={offer !== undefined}
          aria-controls={list}
          aria-activedescendant={offer && at >= 0 ? `${list}-${at}` : undefined}
          onChange={(e) => {
            onText(e.currentTarget.value);
            setAt(-1);
            if (e.currentTarget.value === '') close();
            else complete(e.currentTarget.value, e.currentTarget.selectionStart, 120);
          }}
          onKeyDown={onKeyDown}
          onBlur={close}
        />
        <ul id={list} role="listbox" aria-label="What may stand here" className="offer" hidden={!offer}>
          {offer?.items.map((item, i) => (
            <li
              key={`${item.kind} ${item.text}`}
              id={`${list}-${i}`}
              role="option"
              aria-selected={i === at}
              onPointerDown={(e) => e.preventDefault()} // the bar keeps the focus
              onClick={() => take(item)}
            >
              <span className="what"><Outside text={item.text.slice(0, 300)} /></span>
              <span className="kind">{item.kind}</span>
              <span className="about"><Outside text={(item.kind === 'value' && item.detail ? `${item.detail} events` : item.detail ?? '').slice(0, 200)} /></span>
            </li>
          ))}
        </ul>
      </div>
      <Select
        aria-label="Time range"
        size="sm"
        allowDeselect={false}
        data={[...ranges.map(([value, label]) => ({ value, label })), ...(state.from ? [{ value: 'chosen', label: 'Chosen span' }] : ranges.some(([v]) => v === state.last) ? [] : [{ value: state.last, label: `Last ${state.last}` }])]}
        value={state.from ? 'chosen' : state.last}
        onChange={(v) => {
          if (v && v !== 'chosen') onRange(v);
        }}
      />
      <div className="tools">
        <Button type="submit" size="sm" loading={running}>Search</Button>
        {tools}
      </div>
    </form>
  );
}
