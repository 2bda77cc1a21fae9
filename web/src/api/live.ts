import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

export type Live = 'connecting' | 'live' | 'lost';

/** What else changes with a noun: pages that are made of several. */
const alsoChanges: Record<string, string[]> = {
  alert: ['alerts', 'incidents', 'loop'],
  incident: ['incidents', 'loop'],
  action: ['actions', 'incidents', 'requirements', 'loop'],
  verdict: ['verdicts', 'findings', 'requirements', 'incidents', 'loop', 'assets'],
  finding: ['findings', 'loop'],
  standing: ['requirements', 'loop'],
  drill: ['drills', 'incidents', 'requirements', 'loop'],
  asset: ['assets', 'loop'],
  fact: ['assets'],
  search: ['searches'],
  segment: ['status'],
};

/** Listens for what changes and reads it again; at most once a second each. */
export function useLive(): Live {
  const client = useQueryClient();
  const [live, setLive] = useState<Live>('connecting');
  useEffect(() => {
    let due = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const source = new EventSource('/api/v1/stream');
    const flush = () => {
      timer = undefined;
      const now = due;
      due = new Set();
      void client.invalidateQueries({ predicate: (q) => q.queryKey[0] === 'get' && (now.has('everything') || now.has(String(q.queryKey[1]))) });
    };
    const say = (noun: string) => {
      for (const n of alsoChanges[noun] ?? [noun, `${noun}s`]) due.add(n);
      timer ??= setTimeout(flush, 1000);
    };
    let lost = false;
    source.onopen = () => {
      setLive('live');
      if (lost) say('everything');
      lost = false;
    };
    source.onerror = () => {
      lost = true;
      setLive('lost');
    };
    source.addEventListener('change', (e: MessageEvent<string>) => {
      say((JSON.parse(e.data) as { noun: string }).noun);
    });
    return () => {
      source.close();
      clearTimeout(timer);
    };
  }, [client]);
  return live;
}
