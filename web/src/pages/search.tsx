import { Box, Button, Group, Select, Text, TextInput } from '@mantine/core';
import { BarChart } from 'echarts/charts';
import { BrushComponent, GridComponent, TooltipComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import { useQuery } from '@tanstack/react-query';
import { Fragment, useEffect, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { useSearchParams } from 'react-router';
import { call } from '../api/client';
import type { Problem } from '../api/client';
import type { Found, Histogram, QueryFault } from '../api/types';
import { Empty, Page, Read, Rows, Value } from '../components/parts';
import { visible } from '../components/text';

echarts.use([BarChart, GridComponent, TooltipComponent, BrushComponent, CanvasRenderer]);

const spans = [{ value: '15', label: 'Last 15 minutes' }, { value: '60', label: 'Last hour' }, { value: '1440', label: 'Last 24 hours' }, { value: '10080', label: 'Last 7 days' }, { value: '43200', label: 'Last 30 days' }];

export function Search(): ReactNode {
  const [params, setParams] = useSearchParams();
  const q = params.get('q') ?? '';
  const span = params.get('last') ?? '1440';
  const from = params.get('from');
  const to = params.get('to');
  const [text, setText] = useState(q);
  const [shown, setShown] = useState(q);
  if (shown !== q) { // the address has changed: by a value's menu, or back
    setShown(q);
    setText(q);
  }
  const bar = useRef<HTMLInputElement>(null);
  useEffect(() => { bar.current?.focus(); }, []);
  const range = (): Record<string, string> => (from !== null && to !== null ? { from, to } : { from: new Date(Date.now() - Number(span) * 60_000).toISOString() });
  const key = [q, span, from, to];
  const found = useQuery<Found, Problem>({ queryKey: ['query', ...key], queryFn: () => call<Found>('POST', '/query', { q, ...range() }), retry: false });
  const hist = useQuery<Histogram, Problem>({ queryKey: ['histogram', ...key], queryFn: () => call<Histogram>('POST', '/query/histogram', { q, ...range() }), retry: false });
  const go = (next: Record<string, string>): void => { setParams({ q, last: span, ...next }); };
  return (
    <Page title="Search">
      <form onSubmit={(e) => { e.preventDefault(); go({ q: text }); }}>
        <Group align="flex-end" wrap="nowrap">
          <TextInput ref={bar} style={{ flex: 1 }} ff="monospace" aria-label="Query" placeholder={'failed user:root   or   events | where action == "login_failed" | summarize n=count() by src_ip'} value={text} onChange={(e) => { setText(e.currentTarget.value); }} />
          <Select aria-label="Time" w={170} data={spans} value={from === null ? span : null} placeholder="Chosen in the chart" onChange={(v) => { if (v !== null) go({ last: v }); }} allowDeselect={false} />
          <Button type="submit">Search</Button>
        </Group>
      </form>
      {found.error?.fault !== undefined && <FaultView q={q} fault={found.error.fault} />}
      {hist.data !== undefined && <Bars of={hist.data} onChoose={(a, b) => { go({ from: a, to: b }); }} />}
      {found.error?.fault === undefined && <Read of={found}>{(f) => <Results found={f} />}</Read>}
    </Page>
  );
}

// FaultView points at the characters that are wrong.
function FaultView({ q, fault }: { q: string; fault: QueryFault }): ReactNode {
  const b = new TextEncoder().encode(q);
  const cut = (i: number, j: number): string => new TextDecoder().decode(b.slice(i, j));
  return (
    <Box className="card" role="alert">
      <Text ff="monospace" size="sm" style={{ whiteSpace: 'pre-wrap' }}>{visible(cut(0, fault.pos))}<span className="fault">{visible(cut(fault.pos, fault.pos + fault.len)) || '␣'}</span>{visible(cut(fault.pos + fault.len, b.length))}</Text>
      <Text size="sm" mt={4}>At character {fault.pos + 1}: {visible(fault.what)}. {visible(fault.suggest ?? '')}</Text>
    </Box>
  );
}

function Bars({ of: h, onChoose }: { of: Histogram; onChoose: (from: string, to: string) => void }): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const choose = useRef(onChoose);
  useEffect(() => { choose.current = onChoose; });
  useEffect(() => {
    if (box.current === null) return;
    const chart = echarts.init(box.current);
    chart.setOption({
      grid: { left: 40, right: 10, top: 10, bottom: 24 }, tooltip: { trigger: 'axis' },
      xAxis: { type: 'time', min: h.from, max: h.to }, yAxis: { type: 'value', minInterval: 1 },
      brush: { toolbox: [], xAxisIndex: 0 }, series: [{ type: 'bar', data: h.buckets.map((b) => [b.time, b.count]), barMinWidth: 2 }], animation: false,
    });
    chart.dispatchAction({ type: 'takeGlobalCursor', key: 'brush', brushOption: { brushType: 'lineX', brushMode: 'single' } });
    chart.on('brushEnd', (e: unknown) => {
      const r = (e as { areas?: { coordRange?: [number, number] }[] }).areas?.[0]?.coordRange;
      if (r !== undefined) choose.current(new Date(r[0]).toISOString(), new Date(r[1]).toISOString());
    });
    const resize = (): void => { chart.resize(); };
    window.addEventListener('resize', resize);
    return () => { window.removeEventListener('resize', resize); chart.dispose(); };
  }, [h]);
  return <Box><div ref={box} style={{ height: 120 }} role="img" aria-label={`${h.total} events over time`} /><Text size="xs" c="dimmed">{h.total} events. Drag over the chart to look closer.</Text></Box>;
}

function Results({ found: f }: { found: Found }): ReactNode {
  const columns = f.columns ?? [];
  if (f.rows.length === 0) return <Empty>Nothing was found. Try a longer time, or fewer terms.</Empty>;
  const count = <Text size="xs" c="dimmed">{f.rows.length} rows in {f.took_ms.toFixed(0)} ms{f.truncated ? '; there are more' : ''}</Text>;
  if (!f.events) return <>{count}<Rows head={columns.map((c) => c.name)} rows={f.rows.map((r) => r.map((v, i) => <Cell key={i} name={columns[i]?.name ?? ''} type={columns[i]?.type ?? ''} v={v} />))} /></>;
  const at = (name: string): number => columns.findIndex((c) => c.name === name);
  return <>{count}{f.rows.map((r) => <EventRow key={String(r[at('id')])} cell={(n) => text(r[at(n)] ?? '')} names={columns.map((c) => c.name)} />)}</>;
}

function text(v: unknown): string {
  return typeof v === 'string' ? v : JSON.stringify(v);
}

function Cell({ name, type, v }: { name: string; type: string; v: unknown }): ReactNode {
  if (v === null || v === undefined || v === '') return '';
  if (type === 'time') return new Date(text(v)).toLocaleString();
  if (type === 'number' || type === 'list') return text(v);
  return <Value field={name} value={text(v)} />;
}

function EventRow({ cell, names }: { cell: (n: string) => string; names: string[] }): ReactNode {
  const [open, setOpen] = useState(false);
  let fields: Record<string, unknown> = {};
  if (open) {
    try {
      fields = JSON.parse(cell('fields')) as Record<string, unknown>;
    } catch {
      fields = {};
    }
  }
  const head = names.filter((n) => !['id', 'fields', 'raw', 'time'].includes(n) && cell(n) !== '');
  return (
    <Box style={{ borderBottom: '1px solid var(--mantine-color-default-border)' }} py={4}>
      <Group wrap="nowrap" gap="xs" align="flex-start">
        <Button size="compact-xs" variant="subtle" aria-expanded={open} aria-label="Details" onClick={() => { setOpen(!open); }}>{open ? '−' : '+'}</Button>
        <Text size="xs" c="dimmed" style={{ whiteSpace: 'nowrap' }}>{new Date(cell('time')).toLocaleString()}</Text>
        <Text size="xs" w={110} style={{ flexShrink: 0 }}><Value field="dataset" value={cell('dataset')} /></Text>
        <Text size="sm" ff="monospace" style={{ overflowWrap: 'anywhere' }}>{visible(cell('raw').slice(0, open ? 20_000 : 300))}</Text>
      </Group>
      {open && (
        <Box pl={40} pt={4} style={{ display: 'grid', gridTemplateColumns: 'max-content 1fr', gap: '2px 16px' }}>
          {[...head.map((n): [string, unknown] => [n, cell(n)]), ...Object.entries(fields)].map(([n, v], i) => <Fragment key={n + String(i)}><Text size="xs" c="dimmed">{visible(n)}</Text><Text size="xs"><Value field={n} value={text(v)} /></Text></Fragment>)}
        </Box>
      )}
    </Box>
  );
}
