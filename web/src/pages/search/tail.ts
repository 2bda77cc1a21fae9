import { useCallback, useEffect, useRef, useState } from 'react';

import { api } from '../../api/client';
import type { Tailed } from '../../api/types';
import { Event } from './row';

/** The most events that a tail keeps; older ones go. */
export const kept = 500;
const step = 200;
const every = 1000;

export interface Tail {
  events: Event[];
  /** Events that came while it was paused. */
  waiting: number;
  /** Events that came faster than they could be shown. */
  missed: number;
  /** Events that were shown and have gone, for room. */
  gone: number;
  error?: Error;
  alive: boolean;
}

const nothing: Tail = { events: [], waiting: 0, missed: 0, gone: 0, alive: false };

/** Asks for what is new about once a second, while nothing holds it. */
export function useTail(q: string, on: boolean, paused: boolean): Tail {
  const [tail, setTail] = useState<Tail>(nothing);
  const hold = useRef(paused);
  const wake = useRef<() => void>(undefined);
  useEffect(() => {
    hold.current = paused;
    if (!paused) wake.current?.();
  }, [paused]);
  const reset = useCallback(() => setTail(nothing), []);
  useEffect(() => {
    if (!on) return;
    const abort = new AbortController();
    let after: string | undefined;
    let columns: Tailed['columns'] | undefined;
    let due: ReturnType<typeof setTimeout> | undefined;
    let asking = false;
    const ask = async () => {
      if (asking) return;
      asking = true;
      clearTimeout(due);
      const waits = hold.current && after !== undefined;
      try {
        const t = await api.post<Tailed>('/query/tail', { q, limit: waits ? 1 : step, ...(after && { after }) }, abort.signal);
        const first = after === undefined;
        if (waits) setTail((old) => ({ ...old, waiting: t.new, alive: true }));
        else {
          columns ??= t.columns;
          const as = columns;
          after = t.after;
          setTail((old) => {
            const known = new Set(old.events.map((e) => e.id));
            const fresh = t.rows.map((row) => new Event(as, row)).filter((e) => !known.has(e.id));
            const all = fresh.length > 0 ? [...fresh, ...old.events] : old.events;
            return {
              events: all.length > kept ? all.slice(0, kept) : all,
              gone: old.gone + Math.max(all.length - kept, 0),
              missed: first ? 0 : old.missed + Math.max(t.new - fresh.length, 0),
              waiting: 0, alive: true,
            };
          });
        }
      } catch (error) {
        if (abort.signal.aborted) return;
        if (error instanceof Error) setTail((old) => ({ ...old, error, alive: false }));
      } finally {
        asking = false;
      }
      if (!abort.signal.aborted) due = setTimeout(() => void ask(), every);
    };
    wake.current = () => void ask();
    void ask();
    return () => {
      abort.abort();
      clearTimeout(due);
      wake.current = undefined;
      reset();
    };
  }, [q, on, reset]);
  return tail;
}
