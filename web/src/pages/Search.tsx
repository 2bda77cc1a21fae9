import { Button, Switch, Tooltip } from '@mantine/core';
import { IconColumns3, IconPlayerPause, IconPlayerPlay } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from 'react';

import { api, Problem } from '../api/client';
import type { Facets as AllFacets, Histogram } from '../api/types';
import type { About } from '../components/about';
import { Do, Empty, Page, Panel, Trouble } from '../components/Page';
import { count, sorted } from '../components/text';
import { Outside } from '../components/Text';
import { copy } from '../components/Value';
import { Bar } from './search/Bar';
import { Columns } from './search/Columns';
import { AddToIncident, Block, Except } from './search/Dialogs';
import { Events } from './search/Events';
import { Export } from './search/Export';
import { Facets } from './search/Facets';
import { Fault } from './search/Fault';
import { ecsOf, Event, usual } from './search/row';
import { Rows } from './search/Rows';
import { Saved } from './search/Saved';
import { Span } from './search/Span';
import { rangeOf, useSearchState } from './search/state';
import { useStream, type Answer } from './search/stream';
import { kept, useTail } from './search/tail';
import { Tree } from './search/Tree';

const Chart = lazy(() => import('../components/Chart').then((m) => ({ default: m.Chart })));

type Dialog = { what: 'incident'; events: Event[] } | { what: 'except' | 'block'; event: Event; field: string; value: string } | { what: 'tree'; event: Event } | { what: 'columns' };

export default function Search() {
  const [state, change] = useSearchState();
  const { q, last, from, to, limit, sort, tail: tailing, open } = state;
  const [text, setText] = useState(q);
  const [seen, setSeen] = useState(q);
  const [run, setRun] = useState(0);
  const [dialog, setDialog] = useState<Dialog>();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [held, setHeld] = useState(false);
  if (seen !== q) {
    setSeen(q);
    setText(q);
    setChosen(new Set());
  }
  const asked = sort ? sorted(q, sort.by, sort.desc) : q;
  const [answer, cancel] = useStream({ q: asked, last, from, to, limit, run, off: tailing });
  const tail = useTail(q, tailing, held || open.length > 0 || dialog !== undefined);

  const bars = useQuery<Histogram>({
    queryKey: ['bars', q, last, from, to, run],
    queryFn: ({ signal }) => api.post<Histogram>('/query/histogram', { q, ...rangeOf({ last, from, to }), buckets: 80 }, signal),
    retry: false, staleTime: Infinity, enabled: !tailing,
  });
  const facets = useQuery<AllFacets>({
    queryKey: ['fields', q, last, from, to, run],
    queryFn: ({ signal }) => api.post<AllFacets>('/query/fields', { q, ...rangeOf({ last, from, to }) }, signal),
    retry: false, staleTime: Infinity, refetchInterval: tailing ? 15_000 : false,
  });

  const whole = tailing || answer.head?.events === true;
  const columns = answer.head?.columns;
  const rows = answer.rows;
  const found = useMemo(() => (columns ? rows.map((row) => new Event(columns, row)) : []), [columns, rows]);
  const events = tailing ? tail.events : found;
  const ecs = useMemo(() => ecsOf(facets.data?.fields ?? []), [facets.data]);
  const cols = useMemo(() => (state.cols.length > 0 ? state.cols : usual), [state.cols]);
  const setCols = useCallback((next: string[]) => change({ col: next.join('\n') === usual.join('\n') ? [] : next }, true), [change]);
  const flip = useCallback((id: string) => change({ open: open.includes(id) ? open.filter((o) => o !== id) : [...open, id] }, true), [change, open]);
  const choose = useCallback((id: string) => {
    setChosen((old) => {
      const next = new Set(old);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  }, []);
  const aboutOf = useCallback((event: Event): About => ({
    id: event.id, time: event.time, asset: event.text('asset'), dataset: event.text('dataset'),
    ...(event.process() && { tree: () => setDialog({ what: 'tree', event }) }),
    incident: () => setDialog({ what: 'incident', events: [event] }),
    except: (field, value) => setDialog({ what: 'except', event, field, value }),
    block: (field, value) => setDialog({ what: 'block', event, field, value }),
  }), []);
  useEffect(() => { // a tail stands still while somebody reads further down
    if (!tailing) return;
    const look = () => setHeld(window.scrollY > 160);
    const key = (e: KeyboardEvent) => {
      if (['j', 'k', 'ArrowDown', 'ArrowUp'].includes(e.key) && (e.target as HTMLElement).closest('table.events')) setHeld(true);
    };
    window.addEventListener('scroll', look, { passive: true });
    window.addEventListener('keydown', key);
    return () => {
      window.removeEventListener('scroll', look);
      window.removeEventListener('keydown', key);
    };
  }, [tailing]);
  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      const on = e.target as HTMLElement;
      if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(on.tagName) || document.querySelector('[role=dialog],[role=menu]')) return;
      if (e.key === 'c') setDialog({ what: 'columns' });
      else if (e.key === 't') change({ tail: tailing ? null : '1' }, true);
      else return;
      e.preventDefault();
    };
    window.addEventListener('keydown', key);
    return () => window.removeEventListener('keydown', key);
  }, [change, tailing]);

  const search = (next: string) => {
    if (next === q) setRun(run + 1);
    else change({ q: next, limit: null, sort: null, open: [] });
  };
  const error = tailing ? tail.error : answer.error;
  const fault = error instanceof Problem ? error.fault : undefined;
  const picked = events.filter((e) => chosen.has(e.id));
  const close = () => setDialog(undefined);
  const allFields = useMemo(() => [...new Set(['asset', 'source', 'received', 'trouble', ...(facets.data?.fields ?? []).flatMap((f) => (f.ecs ? [f.name, f.ecs] : [f.name])), ...usual])].sort(), [facets.data]);
  return (
    <Page title="Search">
      <Bar state={state} text={text} onText={setText} onRun={search} onRange={(v) => change({ last: v, from: null, to: null })} running={answer.running && !tailing} tools={<Saved />} />
      {fault ? <Fault q={q} fault={fault} onTake={(s) => change({ q: s })} /> : error && <Trouble error={error} again={() => setRun(run + 1)} />}
      {!tailing && (answer.head?.hints ?? []).map((h) => (
        <p key={h.pos} className="dim hint"><Outside text={h.what} />{h.suggest && <>; <Outside text={h.suggest} /></>}</p>
      ))}
      {!tailing && bars.data && (
        <Panel tight title={<>{count(bars.data.total)} event{bars.data.total === 1 ? '' : 's'}</>} tools={<Span state={state} change={change} />}>
          <Suspense fallback={<div className="chart" />}>
            <Chart of={bars.data} onZoom={(a, b) => change({ from: a.toISOString(), to: b.toISOString() })} />
          </Suspense>
        </Panel>
      )}
      {!fault && (
        <div className={whole || facets.data ? 'found' : 'found alone'}>
          {(whole || facets.data) && <Facets state={state} facets={facets.data} pending={facets.isPending} change={change} columns={whole ? cols : []} onColumn={(name) => setCols(cols.includes(name) ? cols.filter((c) => c !== name) : insert(cols, name))} run={run} />}
          <Panel
            tight
            title={tailing ? <TailSays tail={tail} held={held || open.length > 0} /> : <Says answer={answer} total={bars.data?.total} onCancel={cancel} />}
            tools={
              <>
                {tailing && (held
                  ? <Button size="compact-xs" leftSection={<IconPlayerPlay size={13} />} onClick={() => { setHeld(false); window.scrollTo(0, 0); change({ open: [] }, true); }}>Go on</Button>
                  : <Button size="compact-xs" variant="default" leftSection={<IconPlayerPause size={13} />} onClick={() => setHeld(true)}>Pause</Button>)}
                <Tooltip label="The newest events, about every second (t)"><Switch size="xs" label="Tail" checked={tailing} onChange={(e) => { setHeld(false); change({ tail: e.currentTarget.checked ? '1' : null, open: [] }, true); }} /></Tooltip>
                {whole && <Button size="compact-xs" variant="default" leftSection={<IconColumns3 size={13} />} onClick={() => setDialog({ what: 'columns' })}>Columns</Button>}
                {!tailing && <Export q={asked} state={state} />}
              </>
            }
          >
            {picked.length > 0 && (
              <div className="picked tools">
                <b>{picked.length} chosen</b>
                <Button size="compact-xs" variant="default" onClick={() => copy(`[${picked.map((e) => e.json()).join(',\n')}]`)}>Copy as JSON</Button>
                <Do effect="incident.event" size="compact-xs" variant="default" onClick={() => setDialog({ what: 'incident', events: picked })}>Add to incident…</Do>
                <Button size="compact-xs" variant="default" onClick={() => setChosen(new Set())}>Choose none</Button>
              </div>
            )}
            {whole && events.length > 0 && (
              <Events events={events} cols={cols} ecs={ecs} sort={sort} open={open} chosen={chosen} aboutOf={aboutOf} onOpen={flip} onChoose={choose} onSort={(by, desc) => change({ sort: `${desc ? '-' : '+'}${by}`, tail: null, open: [] })} onCols={setCols} />
            )}
            {!whole && columns && rows.length > 0 && <Rows columns={columns} rows={rows} sort={sort} onSort={(by, desc) => change({ sort: `${desc ? '-' : '+'}${by}` })} render={answer.head?.render} />}
            {!tailing && !answer.running && !error && rows.length === 0 && <Empty>{answer.cancelled ? 'Cancelled before the first row came.' : 'Nothing matches in this time range. Widen the range, or leave out a term.'}</Empty>}
            {tailing && events.length === 0 && !error && <Empty>Waiting for events that this search finds…</Empty>}
            {!tailing && answer.truncated && limit < 5000 && <div className="pad"><Button size="compact-sm" variant="default" onClick={() => change({ limit: String(limit * 5) }, true)}>Show more</Button></div>}
          </Panel>
        </div>
      )}
      {dialog?.what === 'incident' && <AddToIncident events={dialog.events} onClose={close} />}
      {dialog?.what === 'except' && <Except event={dialog.event} field={dialog.field} value={dialog.value} onClose={close} />}
      {dialog?.what === 'block' && <Block event={dialog.event} field={dialog.field} value={dialog.value} onClose={close} />}
      {dialog?.what === 'tree' && <Tree event={dialog.event.id} onClose={close} />}
      {dialog?.what === 'columns' && <Columns cols={cols} all={allFields} onCols={setCols} onClose={close} />}
    </Page>
  );
}

/** A new column stands before the record, which takes what room is left. */
function insert(cols: string[], name: string): string[] {
  const raw = cols.indexOf('raw');
  return raw < 0 ? [...cols, name] : [...cols.slice(0, raw), name, ...cols.slice(raw)];
}

/** How the search stands: what has come, and how long it took. */
function Says({ answer, total, onCancel }: { answer: Answer; total: number | undefined; onCancel: () => void }) {
  const { head, rows, running, truncated, took, cancelled, lost } = answer;
  const what = `${head?.events === false ? 'row' : 'event'}${rows.length === 1 && !truncated ? '' : 's'}`;
  if (running) {
    return (
      <span className="running" role="status">
        <Elapsed since={answer.started} rows={rows.length} what={what} />
        <Button size="compact-xs" variant="default" onClick={onCancel}>Cancel</Button>
      </span>
    );
  }
  return <span role="status">{`${count(rows.length)}${truncated ? ' newest' : ''} ${what}${truncated && total ? ` of ${count(total)}` : ''}${took === undefined ? '' : ` in ${took.toFixed(0)} ms`}${cancelled ? ', cancelled' : ''}${lost ? `. Not whole: ${lost}` : ''}`}</span>;
}

function Elapsed({ since, rows, what }: { since: number; rows: number; what: string }) {
  const [now, setNow] = useState(since);
  useEffect(() => {
    const t = setInterval(() => setNow(Date.now()), 100);
    return () => clearInterval(t);
  }, []);
  return <>Searching, {count(rows)} {what} so far, {(Math.max(now - since, 0) / 1000).toFixed(1)} s</>;
}

function TailSays({ tail, held }: { tail: ReturnType<typeof useTail>; held: boolean }) {
  return (
    <span role="status" className="running">
      <span className={`mark ${tail.error ? 'bad' : held ? 'warn' : 'good'}`}>{tail.error ? 'Broken off; trying again' : held ? 'Paused' : tail.alive ? 'Live' : 'Starting'}</span>
      {`${count(tail.events.length)} event${tail.events.length === 1 ? '' : 's'}`}
      {held && tail.waiting > 0 && `, ${count(tail.waiting)} new wait`}
      {tail.missed > 0 && `, ${count(tail.missed)} came too fast to show`}
      {tail.gone > 0 && `, ${count(tail.gone)} older than the last ${count(kept)} left out`}
    </span>
  );
}
