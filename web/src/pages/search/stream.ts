import { useEffect, useRef, useState } from 'react';

import { lines, Problem } from '../../api/client';
import type { Found } from '../../api/types';
import { rangeOf } from './state';

/** The first line of a streamed answer, the rows so far, and how it stands. */
export interface Answer {
  head?: Pick<Found, 'columns' | 'events' | 'render' | 'hints' | 'from' | 'to'>;
  rows: unknown[][];
  running: boolean;
  started: number;
  truncated: boolean;
  took?: number;
  error?: Error;
  cancelled?: boolean;
  /** What of the range cannot be read. */
  lost?: string;
}

interface End { rows: number; truncated: boolean; took_ms: number; error?: string; lost?: string }

const nothing: Answer = { rows: [], running: false, started: 0, truncated: false };

/** Runs a search and shows rows as they come. Another search, or leaving the page, ends it on the server too. */
export function useStream(ask: { q: string; last: string; from: string | null; to: string | null; limit: number; run: number; off: boolean }): [Answer, () => void] {
  const [answer, setAnswer] = useState<Answer>(nothing);
  const stop = useRef<AbortController>(undefined);
  const { q, last, from, to, limit, run, off } = ask;
  useEffect(() => {
    if (off) return;
    const abort = new AbortController();
    stop.current = abort;
    const started = Date.now();
    let head: Answer['head'];
    const all: unknown[][] = [];
    let due: ReturnType<typeof setTimeout> | undefined;
    const show = (more: Partial<Answer>) => {
      clearTimeout(due);
      due = undefined;
      setAnswer({ ...(head && { head }), rows: all.slice(), running: true, started, truncated: false, ...more });
    };
    setAnswer((old) => ({ ...old, running: true, started }));
    let end: End | undefined;
    const line = (text: string) => {
      const said = JSON.parse(text) as unknown;
      if (Array.isArray(said)) {
        all.push(said);
        due ??= setTimeout(() => show({}), 100);
      } else if (!head) {
        head = said as Answer['head'];
        show({});
      } else end = said as End;
    };
    lines('/query/stream', { q, ...rangeOf({ last, from, to }), limit }, line, abort.signal).then(
      () => {
        if (abort.signal.aborted) return;
        if (!end) show({ running: false, error: new Problem(0, 'The answer broke off. Is holdfast running?') });
        else show({ running: false, truncated: end.truncated, took: end.took_ms, ...(end.lost && { lost: end.lost }), ...(end.error && { error: new Problem(500, end.error) }) });
      },
      (error: unknown) => {
        if (!abort.signal.aborted && error instanceof Error) show({ running: false, error });
      },
    );
    return () => {
      clearTimeout(due);
      abort.abort();
    };
  }, [q, last, from, to, limit, run, off]);
  const cancel = () => {
    stop.current?.abort();
    setAnswer((old) => ({ ...old, running: false, cancelled: true, took: Date.now() - old.started }));
  };
  return [answer, cancel];
}
