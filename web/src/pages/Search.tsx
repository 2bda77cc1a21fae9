import { Button, Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Fragment, lazy, Suspense, useEffect, useState } from 'react';
import { useSearchParams } from 'react-router';

import { api, Problem } from '../api/client';
import type { Found, Histogram, QueryFault } from '../api/types';
import { Empty, Loaded, Page, Panel } from '../components/Page';
import { count, plain, span } from '../components/text';
import { Clock, Outside } from '../components/Text';
import { Fields, Value } from '../components/Value';
import { Saved } from './search/Saved';

const Chart = lazy(() => import('../components/Chart').then((m) => ({ default: m.Chart })));

const ranges: [string, string][] = [['15m', 'Last 15 minutes'], ['1h', 'Last hour'], ['4h', 'Last 4 hours'], ['24h', 'Last 24 hours'], ['7d', 'Last 7 days'], ['30d', 'Last 30 days'], ['365d', 'Last year']];

function millis(last: string): number {
  const n = Number(last.slice(0, -1));
  return n * (last.endsWith('d') ? 86_400_000 : last.endsWith('h') ? 3_600_000 : 60_000);
}

function span2(last: string, from: string | null, to: string | null): { from: string; to: string } {
  if (from && to) return { from, to };
  const now = Date.now();
  return { from: new Date(now - millis(last)).toISOString(), to: new Date(now + 60_000).toISOString() };
}

export default function Search() {
  const [url, setUrl] = useSearchParams();
  const q = url.get('q') ?? '';
  const last = url.get('last') ?? '24h';
  const from = url.get('from');
  const to = url.get('to');
  const limit = Number(url.get('limit') ?? 200);
  const [text, setText] = useState(q);
  const [seen, setSeen] = useState(q);
  const [run, setRun] = useState(0);
  if (seen !== q) {
    setSeen(q);
    setText(q);
  }

  const found = useQuery<{ found: Found; asked: string }>({
    queryKey: ['search', q, last, from, to, limit, run],
    queryFn: async ({ signal }) => ({ found: await api.post<Found>('/query', { q, ...span2(last, from, to), limit }, signal), asked: q }),
    retry: false,
    staleTime: Infinity,
  });
  const bars = useQuery<Histogram>({
    queryKey: ['bars', q, last, from, to, run],
    queryFn: ({ signal }) => api.post<Histogram>('/query/histogram', { q, ...span2(last, from, to), buckets: 80 }, signal),
    retry: false,
    staleTime: Infinity,
  });
  useEffect(() => {
    document.getElementById('query')?.focus();
  }, []);

  const change = (with_: Record<string, string | null>) => {
    setUrl((old) => {
      const next = new URLSearchParams(old);
      for (const [k, v] of Object.entries(with_)) {
        if (v === null) next.delete(k);
        else next.set(k, v);
      }
      return next;
    });
  };
  const fault = found.error instanceof Problem ? found.error.fault : undefined;
  return (
    <Page title="Search" tools={<Saved />}>
      <form
        role="search"
        onSubmit={(e) => {
          e.preventDefault();
          if (text === q) setRun(run + 1);
          else change({ q: text, limit: null });
        }}
        style={{ display: 'grid', gridTemplateColumns: 'minmax(0,1fr) 200px auto', gap: 8, marginBottom: 10 }}
      >
        <TextInput id="query" aria-label="Query" size="sm" spellCheck={false} autoComplete="off" classNames={{ input: 'mono' }} placeholder="source.ip:192.0.2.7 action:login_failed   or   dataset:linux.sshd | summarize count() by src_ip" value={text} onChange={(e) => setText(e.currentTarget.value)} />
        <Select
          aria-label="Time range"
          size="sm"
          allowDeselect={false}
          data={[...ranges.map(([value, label]) => ({ value, label })), ...(from ? [{ value: 'chosen', label: 'Chosen on the chart' }] : [])]}
          value={from ? 'chosen' : last}
          onChange={(v) => {
            if (v && v !== 'chosen') change({ last: v, from: null, to: null });
          }}
        />
        <Button type="submit" size="sm" loading={found.isFetching}>Search</Button>
      </form>
      {fault && <Where q={q} fault={fault} onTake={(s) => change({ q: s })} />}
      {bars.data && (
        <Panel>
          <Suspense fallback={<div className="chart" />}>
            <Chart of={bars.data} onZoom={(a, b) => change({ from: a.toISOString(), to: b.toISOString() })} />
          </Suspense>
        </Panel>
      )}
      {!fault && (
        <Loaded of={found}>
          {(d) => (
            <Panel
              tight
              title={`${count(d.found.rows.length)}${d.found.truncated ? ' newest' : ''} ${d.found.events ? 'events' : 'rows'}${d.found.truncated && bars.data ? ` of ${count(bars.data.total)}` : ''} in ${d.found.took_ms.toFixed(0)} ms`}
              tools={d.found.truncated && limit < 5000 && <Button size="compact-xs" variant="default" onClick={() => change({ limit: String(limit * 5) })}>Show more</Button>}
            >
              {d.found.rows.length === 0 ? <Empty>Nothing matches in this time range. Widen the range, or leave out a term.</Empty> : d.found.events ? <Events of={d.found} /> : <Rows of={d.found} />}
            </Panel>
          )}
        </Loaded>
      )}
    </Page>
  );
}

/** The query with its fault under the exact characters. */
function Where({ q, fault, onTake }: { q: string; fault: QueryFault; onTake: (q: string) => void }) {
  const [a, b] = span(q, fault.pos, fault.len);
  const bad = q.slice(a, b) || ' ';
  return (
    <div className="wrong" role="alert">
      {q.slice(0, a)}<mark className="fault">{bad}</mark>{q.slice(b)}
      <p>
        <Outside text={fault.what} />
        {fault.suggest && (
          <>
            {`; did you mean "${fault.suggest}"? `}
            <Button size="compact-xs" variant="default" onClick={() => onTake(q.slice(0, a) + (fault.suggest ?? '') + q.slice(b))}>Use it</Button>
          </>
        )}
      </p>
    </div>
  );
}

function Events({ of }: { of: Found }) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const at = (name: string) => of.columns.findIndex((c) => c.name === name);
  const [id, time, dataset, host, raw, fields] = ['id', 'time', 'dataset', 'host.name', 'raw', 'fields'].map(at) as [number, number, number, number, number, number];
  return (
    <table style={{ tableLayout: 'fixed' }}>
      <thead><tr><th style={{ width: 34 }} aria-label="open" /><th style={{ width: 158 }}>Time</th><th style={{ width: 120 }}>Dataset</th><th style={{ width: 130 }}>Host</th><th>Event</th></tr></thead>
      <tbody>
        {of.rows.map((row) => {
          const key = plain(row[id]);
          const isOpen = open.has(key);
          const flip = () => {
            const next = new Set(open);
            if (!next.delete(key)) next.add(key);
            setOpen(next);
          };
          return (
            <Fragment key={key}>
              <tr className="hit">
                <td><Button size="compact-xs" variant="subtle" aria-expanded={isOpen} aria-label="Show the whole event" onClick={flip}>{isOpen ? '−' : '+'}</Button></td>
                <td><Clock at={plain(row[time])} /></td>
                <td><Value field="dataset" value={row[dataset]} clip /></td>
                <td><Value field="host.name" value={row[host]} clip /></td>
                <td className="mono" style={{ whiteSpace: 'nowrap', overflow: 'hidden', textOverflow: 'ellipsis', cursor: 'pointer' }} onClick={flip}><Outside text={plain(row[raw]).slice(0, 400)} /></td>
              </tr>
              {isOpen && (
                <tr className="event">
                  <td />
                  <td colSpan={4}>
                    <Fields row={Object.fromEntries(of.columns.map((c, i) => [c.name, row[i]] as const).filter(([k, v]) => k !== 'raw' && k !== 'fields' && v !== null && v !== ''))} />
                    <hr style={{ border: 0, borderTop: '1px solid var(--line)' }} />
                    <Fields row={native(row[fields])} />
                    <pre className="raw" tabIndex={0}><Outside text={plain(row[raw])} /></pre>
                  </td>
                </tr>
              )}
            </Fragment>
          );
        })}
      </tbody>
    </table>
  );
}

/** The native fields come as a JSON object, or as its text. */
function native(v: unknown): Record<string, unknown> {
  if (typeof v === 'string') {
    try {
      return native(JSON.parse(v));
    } catch {
      return { fields: v };
    }
  }
  return typeof v === 'object' && v !== null ? (v as Record<string, unknown>) : {};
}

function Rows({ of }: { of: Found }) {
  return (
    <div className="scroll">
      <table>
        <thead><tr>{of.columns.map((c) => <th key={c.name}><Outside text={c.name} /></th>)}</tr></thead>
        <tbody>
          {of.rows.map((row, i) => (
            <tr key={i} className="hit">
              {row.map((v, n) => <td key={n} className={typeof v === 'number' ? 'num' : ''}><Value field={of.columns[n]?.name ?? ''} value={v} /></td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
