import { Button, Checkbox, FileButton, Group, Progress, Select, Textarea } from '@mantine/core';
import { useState } from 'react';
import { Link, useNavigate, useParams } from 'react-router';

import { api, params, path } from '../api/client';
import { useDo, useGet } from '../api/hooks';
import type { Hunt, HuntHit, List, ReplayRule, RuleInfo } from '../api/types';
import { Mark } from '../components/Mark';
import { More, useMore } from '../components/More';
import { Do, Empty, Loaded, Page, Panel } from '../components/Page';
import { count } from '../components/text';
import { Ago, Clock, Outside } from '../components/Text';

const ranges: [string, string][] = [['1', 'Last 24 hours'], ['7', 'Last 7 days'], ['30', 'Last 30 days'], ['90', 'Last 90 days'], ['365', 'Last year']];
const most = 16 << 20;

/** One rule or a list of indicators, looked for over all that is stored. */
export default function Hunts() {
  const { id } = useParams();
  return (
    <Page title="Hunts" say="One rule, or a list of indicators, looked for over all stored history. What is found is kept, and raises no alert.">
      <Start />
      {id && <Shown id={id} />}
      <All />
    </Page>
  );
}

function Start() {
  const navigate = useNavigate();
  const rules = useGet<{ items: RuleInfo[] }>('/rules');
  const [kind, setKind] = useState<string>('indicators');
  const [rule, setRule] = useState<string | null>(null);
  const [text, setText] = useState('');
  const [name, setName] = useState('');
  const [wrong, setWrong] = useState('');
  const [days, setDays] = useState('30');
  const [raw, setRaw] = useState(false);
  const [skip, setSkip] = useState(false);
  const run = useDo(
    () => {
      const from = new Date(Date.now() - Number(days) * 86_400_000).toISOString();
      const what = kind === 'rule' ? { rule } : kind === 'text' ? { text } : { indicators: text, name: name || 'pasted', raw, skip_faults: skip };
      return api.post<Hunt>('/hunts', { ...what, from });
    },
    (h) => void navigate(path`/hunts/${h.id}`),
    true,
  );
  const take = (f: File | null) => {
    if (!f) return;
    if (f.size > most) {
      setWrong(`${f.name} has more than 16 MiB, which is the most for a list; cut it in several.`);
      return;
    }
    setWrong('');
    setName(f.name);
    void f.text().then(setText);
  };
  const missing = kind === 'rule' ? (rule ? undefined : 'Choose a rule first.') : text.trim() ? undefined : 'Paste something, or choose a file.';
  return (
    <Panel title="A new hunt">
      <Group align="end" gap={8} mb={8}>
        <Select label="Look for" w={210} allowDeselect={false} data={[{ value: 'indicators', label: 'A list of indicators' }, { value: 'rule', label: 'A loaded rule' }, { value: 'text', label: 'A Sigma rule' }]} value={kind} onChange={(v) => setKind(v ?? 'indicators')} />
        {kind === 'rule' && <Select label="Rule" w={420} searchable limit={50} data={[...new Map((rules.data?.items ?? []).map((r) => [r.name || r.id, r.title || r.id]))].filter(([value]) => value).map(([value, label]) => ({ value, label }))} value={rule} onChange={setRule} />}
        <Select label="Over" w={150} allowDeselect={false} data={ranges.map(([value, label]) => ({ value, label }))} value={days} onChange={(v) => setDays(v ?? '30')} />
        {kind !== 'rule' && <FileButton onChange={take} inputProps={{ 'aria-label': 'A file' }}>{(p) => <Button {...p} size="sm" variant="default">Choose a file</Button>}</FileButton>}
        <Do effect="hunt.run" size="sm" why={missing} loading={run.isPending} onClick={() => run.mutate()}>Hunt</Do>
      </Group>
      {kind !== 'rule' && (
        <Textarea aria-label={kind === 'text' ? 'The rule' : 'The list'} autosize minRows={4} maxRows={14} spellCheck={false} classNames={{ input: 'mono' }} value={text} onChange={(e) => setText(e.currentTarget.value)}
          placeholder={kind === 'text' ? 'title: …\nlogsource: {product: linux, service: sshd}\ndetection:\n  selection: …\n  condition: selection' : '192.0.2.7\n198.51.100.0/24\nevil[.]example\nhxxp://evil[.]example/gate.php\nmimikatz.exe\n(or CSV, or a STIX 2.1 bundle)'} />
      )}
      {kind === 'indicators' && (
        <Group mt={8}>
          <Checkbox label="In the records as well (slower)" checked={raw} onChange={(e) => setRaw(e.currentTarget.checked)} />
          <Checkbox label="Pass over lines with faults" checked={skip} onChange={(e) => setSkip(e.currentTarget.checked)} />
        </Group>
      )}
      {(wrong || run.error) && <pre className="raw" role="alert"><Outside text={wrong || (run.error?.message ?? '')} /></pre>}
    </Panel>
  );
}

function All() {
  const { limit, more } = useMore(100);
  const list = useGet<List<Hunt>>(`/hunts${params({ limit })}`);
  return (
    <Panel tight title="Hunts">
      <Loaded of={list}>
        {({ items, total }) => items.length === 0 ? <Empty>Nothing was hunted yet.</Empty> : (
          <table>
            <thead><tr><th>Hunt</th><th>For</th><th>State</th><th>By</th><th>Started</th><th className="num">Events</th><th className="num">Found</th></tr></thead>
            <tbody>
              {items.map((h) => (
                <tr key={h.id} className="hit">
                  <td><Link to={path`/hunts/${h.id}`}>{h.id}</Link></td>
                  <td><Outside text={h.name} /></td>
                  <td><State of={h} /></td>
                  <td><Outside text={h.by} /></td>
                  <td><Ago at={h.started} /></td>
                  <td className="num">{count(h.events)}</td>
                  <td className="num">{count(h.found)}</td>
                </tr>
              ))}
            </tbody>
            <More shown={items.length} total={total} columns={7} onMore={more} />
          </table>
        )}
      </Loaded>
    </Panel>
  );
}

function State({ of: h }: { of: Hunt }) {
  const mark = h.status === 'running' ? 'running' : h.status === 'failed' ? 'fail' : h.status === 'done' ? 'pass' : 'unknown';
  return <Mark of={mark} label={h.status} />;
}

function Shown({ id }: { id: string }) {
  const navigate = useNavigate();
  const [live, setLive] = useState(true);
  const hunt = useGet<Hunt>(path`/hunts/${id}`, live ? { every: 500 } : {});
  const running = hunt.data === undefined || hunt.data.status === 'running';
  if (live !== running) setLive(running);
  const cancel = useDo(() => api.post(path`/hunts/${id}/cancel`));
  const remove = useDo(() => api.delete(path`/hunts/${id}`), () => void navigate('/hunts'));
  return (
    <Loaded of={hunt}>
      {(h) => (
        <Panel
          title={<Outside text={h.name} />}
          tools={h.status === 'running' ? <Do effect="hunt.cancel" variant="default" onClick={() => cancel.mutate()}>Cancel</Do> : <Do effect="hunt.delete" variant="default" onClick={() => remove.mutate()}>Delete</Do>}
        >
          <p>
            <State of={h} /> {count(h.found)} found in {count(h.events)} events, of which {count(h.looked)} were looked at; <Clock at={h.from} /> to <Clock at={h.to} />, by <Outside text={h.by} /> <Ago at={h.started} />.
            {h.cancel && <> Cancelled by <Outside text={h.cancel} />.</>}
            {h.again ? <> Begun again {h.again === 1 ? 'once' : `${h.again} times`}, as the server that ran it was gone.</> : null}
          </p>
          {h.status === 'running' && <Progress value={h.parts ? (100 * h.done) / h.parts : 0} aria-label={`${h.done} of ${h.parts} parts`} animated />}
          {h.error && <p role="alert"><b><Outside text={h.error} /></b></p>}
          {(h.notes ?? []).map((n) => <p key={n} className="dim"><Outside text={n} /></p>)}
          {h.kind === 'indicators' ? <Hits of={h} /> : (h.rules ?? []).filter((r) => r.asked || r.events > 0).map((r) => <Ruled key={r.rule} of={r} />)}
        </Panel>
      )}
    </Loaded>
  );
}

/** The Search page for what was found, over the time in which it was. */
function found(q: string, first: string, last: string): string {
  const from = new Date(Date.parse(first) - 1000).toISOString();
  const to = new Date(Date.parse(last) + 1000).toISOString();
  return `/search?${new URLSearchParams({ q, from, to }).toString()}`;
}

const quoted = (s: string) => `"${s.replace(/[\\"]/g, (c) => `\\${c}`)}"`;

/** The search that finds an indicator's events again: by the newest of them where its columns are not compared as text. */
function again(h: HuntHit): string {
  const plain = h.type === 'address' || h.type === 'sha256';
  const fields = (h.fields ?? []).filter((f) => f !== 'raw');
  if (plain && fields.length === (h.fields ?? []).length) return fields.map((f) => `${f}:${quoted(h.indicator)}`).join(' OR ');
  if (fields.length === 0) return quoted(h.indicator);
  return (h.samples ?? []).map((s) => `id:${quoted(s.event)}`).join(' OR ');
}

function Hits({ of: h }: { of: Hunt }) {
  const hits = h.hits ?? [];
  if (h.status === 'running') return null;
  if (hits.length === 0) return <Empty>None of the indicators was seen in this time.</Empty>;
  return (
    <div className="scroll">
      <table>
        <thead><tr><th>Indicator</th><th>Type</th><th className="num">Events</th><th>Hosts</th><th>First</th><th>Last</th><th>Where</th></tr></thead>
        <tbody>
          {hits.map((x) => (
            <tr key={`${x.type} ${x.indicator}`} className="hit">
              <td className="mono"><Link to={found(again(x), x.first, x.last)}><Outside text={x.indicator} /></Link>{x.note && <div className="dim"><Outside text={x.note} /></div>}</td>
              <td>{x.type}</td>
              <td className="num">{count(x.events)}</td>
              <td>{count(x.host_count)} <span className="dim"><Outside text={(x.hosts ?? []).slice(0, 3).map((n) => n.name).join(', ')} /></span></td>
              <td><Clock at={x.first} /></td>
              <td><Clock at={x.last} /></td>
              <td>{(x.fields ?? []).join(' ')}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {(h.more ?? 0) > 0 && <p className="dim">And {count(h.more ?? 0)} indicators more.</p>}
    </div>
  );
}

function Ruled({ of: r }: { of: ReplayRule }) {
  const samples = r.samples ?? [];
  return (
    <>
      <p>
        <b><Outside text={r.title || r.rule} /></b> ({r.level}): {count(r.events)} events, {count(r.alerts)} alerts{r.hidden > 0 && `, ${count(r.hidden)} hidden by exceptions and filters`}
        {(r.hosts ?? []).length > 0 && <>; on <Outside text={(r.hosts ?? []).slice(0, 5).map((h) => `${h.name} (${h.count})`).join(', ')} /></>}
      </p>
      {samples.length > 0 && (
        <table style={{ tableLayout: 'fixed' }}>
          <thead><tr><th style={{ width: 158 }}>Time</th><th>Event</th></tr></thead>
          <tbody>
            {samples.map((s) => (
              <tr key={s.event} className="hit">
                <td><Link to={found(`id:${quoted(s.event)}`, s.time, s.time)}><Clock at={s.time} /></Link></td>
                <td className="mono"><Outside text={s.message} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
