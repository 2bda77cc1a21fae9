import { useState, type ReactNode } from 'react';

import { useGet } from '../api/hooks';
import type { LedgerRow, List, Node, PipelineHealth, Status } from '../api/types';
import { Faults } from '../components/Faults';
import { Mark } from '../components/Mark';
import { Empty, Loaded, Page, Panel } from '../components/Page';
import { bytes, count } from '../components/text';
import { Ago, Outside } from '../components/Text';
import { Kept, Ways } from './health/Kept';
import { DeadLetters, Ledger } from './health/Ledger';
import { Sources, span } from './health/Sources';
import { Troubles } from './health/Troubles';

const day = 24 * 3600_000;

export default function Health() {
  const status = useGet<Status>('/status', { every: 5_000 });
  const health = useGet<PipelineHealth>('/health', { every: 10_000 });
  const [since] = useState(() => new Date(Date.now() - day).toISOString());
  const hours = useGet<List<LedgerRow>>(`/ledger?limit=10000&from=${since}`, { every: 60_000 });
  return (
    <Page title="Pipeline health" say="Is everything flowing, is anything lost, and what would nobody see now.">
      <Loaded of={status}>
        {(s) => <Panel><Figures of={s} health={health.data} /></Panel>}
      </Loaded>
      <Loaded of={health}>
        {(h) => (
          <>
            <Troubles of={h.troubles ?? []} />
            <Nodes of={h.nodes ?? []} />
            <Sources of={h.sources ?? []} hours={hours.data?.items ?? []} />
          </>
        )}
      </Loaded>
      <Loaded of={status}>
        {(s) => (
          <>
            <Ledger rows={s.ledger ?? []} />
            <DeadLetters rows={s.ledger ?? []} />
            <Panel title="Said by parts" tight>
              {(s.notes ?? []).length === 0 ? <Empty>No input, agent or store complains.</Empty> : (
                <ul className="list">{s.notes?.map((n, i) => <li key={i}><Mark of="attention" /><code><Outside text={n.source} /></code><span className="grow"><Outside text={n.trouble} /></span><Ago at={n.at} /></li>)}</ul>
              )}
            </Panel>
            <Faults of={s.rules.faults} what="Rules that were not loaded" />
            <Faults of={s.checks.faults} what="Checks that were not loaded" />
            <Faults of={s.requirements.faults} what="Requirements that were not loaded" />
          </>
        )}
      </Loaded>
      <Ways />
      <Kept />
    </Page>
  );
}

function Figures({ of: s, health }: { of: Status; health: PipelineHealth | undefined }) {
  const reader = (name: string) => health?.readers?.find((r) => r.name === name)?.seconds ?? 0;
  return (
    <div className="cols">
      <Stat what="taking events in"><Mark of={s.ingest.accepting ? 'ok' : 'broken'} label={s.ingest.accepting ? 'yes' : (s.ingest.why ?? 'no')} /></Stat>
      <Stat what={`not yet looked at by rules, ${span(reader('rules'))} behind`}>{count(s.bus.last - s.bus.detected)} blocks</Stat>
      <Stat what={`not yet searchable, ${span(reader('store'))} behind`}>{count(s.bus.last - s.bus.written)} blocks</Stat>
      <Stat what={`in ${count(s.events.segments)} segment${s.events.segments === 1 ? '' : 's'}, ${bytes(s.events.bytes)}`}>{count(s.events.events)} events</Stat>
      <Stat what={`free of ${bytes(s.disk.total)}; ${bytes(s.disk.reserve)} kept in reserve`}>{bytes(s.disk.free)}</Stat>
      <Stat what={fills(health)}>{full(health)}</Stat>
      <Stat what="memory in use">{bytes(s.memory.rss_bytes)}</Stat>
      <Stat what={`rules, ${s.checks.loaded} checks, ${s.requirements.loaded} requirements`}>{count(s.rules.loaded)}</Stat>
      <Stat what={`started; version ${s.version}, data in ${s.data_dir}`}><Ago at={s.started} /></Stat>
    </div>
  );
}

/** The nodes that share the work; nothing where one is alone. */
function Nodes({ of }: { of: Node[] }) {
  if (of.length === 0) return null;
  return (
    <Panel title="Nodes" tight>
      <ul className="list">{of.map((n) => <li key={n.id}><Mark of={n.gone ? 'broken' : 'ok'} label={n.gone ? 'gone' : 'here'} /><code><Outside text={n.id} /></code><span className="grow">{(n.roles ?? []).join(', ')}{n.here && <span className="dim"> · answers this page</span>}</span><Ago at={n.seen} /></li>)}</ul>
    </Panel>
  );
}

function full(h: PipelineHealth | undefined): string {
  if (h === undefined) return '…';
  if (h.disk.days_left > 0) return `${h.disk.days_left < 10 ? h.disk.days_left.toFixed(1) : count(Math.round(h.disk.days_left))} days`;
  return h.disk.hours_seen < 6 ? 'not known yet' : 'does not fill';
}

function fills(h: PipelineHealth | undefined): string {
  if (h !== undefined && h.disk.days_left > 0) return `until the disk is full, at ${bytes(h.disk.per_day)} a day`;
  return 'how the disk fills';
}

function Stat({ what, children }: { what: string; children: ReactNode }) {
  return <div className="stat"><b>{children}</b><span>{what}</span></div>;
}
