import type { ReactNode } from 'react';

import { useGet } from '../api/hooks';
import type { InputInfo, LedgerRow, List, Status } from '../api/types';
import { Faults } from '../components/Faults';
import { Mark } from '../components/Mark';
import { Empty, Loaded, Page, Panel } from '../components/Page';
import { bytes, count } from '../components/text';
import { Ago, Outside } from '../components/Text';
import { Value } from '../components/Value';

export default function Health() {
  const status = useGet<Status>('/status', { every: 5_000 });
  const inputs = useGet<List<InputInfo>>('/inputs', { every: 10_000 });
  return (
    <Page title="Pipeline health" say="Is everything flowing, is anything lost.">
      <Loaded of={status}>
        {(s) => (
          <>
            <Panel>
              <div className="cols">
                <Stat what="taking events in"><Mark of={s.ingest.accepting ? 'ok' : 'broken'} label={s.ingest.accepting ? 'yes' : (s.ingest.why ?? 'no')} /></Stat>
                <Stat what="not yet detected on">{count(s.bus.last - s.bus.detected)} blocks</Stat>
                <Stat what="not yet searchable">{count(s.bus.last - s.bus.written)} blocks</Stat>
                <Stat what={`in ${count(s.events.segments)} segments, ${bytes(s.events.bytes)}`}>{count(s.events.events)} events</Stat>
                <Stat what={`free of ${bytes(s.disk.total)}; ${bytes(s.disk.reserve)} kept in reserve`}>{bytes(s.disk.free)}</Stat>
                <Stat what="memory in use">{bytes(s.memory.rss_bytes)}</Stat>
                <Stat what={`rules, ${s.checks.loaded} checks, ${s.requirements.loaded} requirements`}>{count(s.rules.loaded)}</Stat>
                <Stat what={s.data_dir}>{s.version}, up since <Ago at={s.started} /></Stat>
              </div>
            </Panel>
            <Ledger rows={s.ledger ?? []} />
            <Panel title="Trouble" tight>
              {(s.notes ?? []).length === 0 ? <Empty>None is known.</Empty> : (
                <ul className="list">{s.notes?.map((n, i) => <li key={i}><Mark of="attention" /><code><Outside text={n.source} /></code><span className="grow"><Outside text={n.trouble} /></span><Ago at={n.at} /></li>)}</ul>
              )}
            </Panel>
            <Faults of={s.rules.faults} what="Rules that were not loaded" />
            <Faults of={s.checks.faults} what="Checks that were not loaded" />
            <Faults of={s.requirements.faults} what="Requirements that were not loaded" />
          </>
        )}
      </Loaded>
      <Panel title="Inputs" tight>
        <Loaded of={inputs}>
          {({ items }) => items.length === 0 ? <Empty>No input is open. An agent opens those of its host by itself.</Empty> : (
            <table>
              <thead><tr><th>Input</th><th>Asset</th><th>State</th><th className="num">Received</th><th>Last</th></tr></thead>
              <tbody>{items.map((i) => (
                <tr key={`${i.asset ?? ''} ${i.source}`} className="hit">
                  <td><Value field="source" value={i.source} /></td><td><Value field="asset" value={i.asset} /></td>
                  <td>{i.trouble ? <><Mark of="attention" label="trouble" /> <Outside text={i.trouble} /></> : <Mark of="ok" />}{i.lossy && <div className="dim">may lose: {i.lossy}</div>}</td>
                  <td className="num">{count(i.received)}</td><td><Ago at={i.last} /></td>
                </tr>
              ))}</tbody>
            </table>
          )}
        </Loaded>
      </Panel>
    </Page>
  );
}

function Stat({ what, children }: { what: string; children: ReactNode }) {
  return <div className="stat"><b>{children}</b><span>{what}</span></div>;
}

function Ledger({ rows }: { rows: LedgerRow[] }) {
  const off = rows.filter((r) => missing(r) !== 0).length;
  return (
    <Panel title="Ledger: received = stored + rejected + dead letters + waiting" tight tools={rows.length > 0 && (off === 0 ? <Mark of="ok" label="every source balances" /> : <Mark of="broken" label={`${off} do not balance`} />)}>
      {rows.length === 0 ? <Empty>Nothing came in yet.</Empty> : (
        <table>
          <thead><tr><th>Source</th><th className="num">Received</th><th className="num">= Stored</th><th className="num">+ Rejected</th><th className="num">+ Dead letters</th><th className="num">+ Waiting</th><th>Balance</th><th className="num">Resent</th><th>Last</th></tr></thead>
          <tbody>{rows.map((r) => (
            <tr key={r.source} className="hit">
              <td><Value field="source" value={r.source} />{r.lossy && <div className="dim">may lose before it gets here: <Outside text={r.lossy} /></div>}</td>
              <td className="num"><b>{count(r.received)}</b></td><td className="num">{count(r.stored)}</td><td className="num">{count(r.rejected)}</td><td className="num">{count(r.dead_lettered)}</td><td className="num">{count(r.waiting)}</td>
              <td className="balance">{missing(r) === 0 ? <Mark of="ok" label="balances" /> : <Mark of="broken" label={`${count(Math.abs(missing(r)))} ${missing(r) > 0 ? 'missing' : 'too many'}`} />}</td>
              <td className="num">{count(r.doubled)}</td><td><Ago at={r.last} /></td>
            </tr>
          ))}</tbody>
        </table>
      )}
    </Panel>
  );
}

function missing(r: LedgerRow): number {
  return r.received - r.stored - r.rejected - r.dead_lettered - r.waiting;
}
