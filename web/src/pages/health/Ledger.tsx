import { Button } from '@mantine/core';
import { Fragment, useState } from 'react';
import { Link } from 'react-router';

import { useGet } from '../../api/hooks';
import type { LedgerRow, List } from '../../api/types';
import { Copyable } from '../../components/Copyable';
import { Mark } from '../../components/Mark';
import { Empty, Loaded, Panel } from '../../components/Page';
import { count, term } from '../../components/text';
import { Ago, Outside } from '../../components/Text';
import { Value } from '../../components/Value';

/** Every source's account, each to be opened by the hour. */
export function Ledger({ rows }: { rows: LedgerRow[] }) {
  const [open, setOpen] = useState<string>();
  const off = rows.filter((r) => missing(r) !== 0).length;
  return (
    <Panel title="Ledger: received = stored + rejected + dead letters + waiting" tight tools={rows.length > 0 && (off === 0 ? <Mark of="ok" label="every source balances" /> : <Mark of="broken" label={`${off} do not balance`} />)}>
      {rows.length === 0 ? <Empty>Nothing came in yet.</Empty> : (
        <table>
          <thead><tr><th>Source</th><th className="num">Received</th><th className="num">= Stored</th><th className="num">+ Rejected</th><th className="num">+ Dead letters</th><th className="num">+ Waiting</th><th>Balance</th><th className="num">Resent</th><th>Last</th></tr></thead>
          <tbody>{rows.map((r) => (
            <Fragment key={r.source}>
              <tr className="hit">
                <td>
                  <Value field="source" value={r.source} />
                  <Button size="compact-xs" variant="default" aria-expanded={open === r.source} onClick={() => setOpen(open === r.source ? undefined : r.source)}>by the hour</Button>
                  {r.lossy && <div className="dim">may lose before it gets here: <Outside text={r.lossy} /></div>}
                </td>
                <td className="num"><b>{count(r.received)}</b></td><td className="num">{count(r.stored)}</td><td className="num">{count(r.rejected)}</td><td className="num">{count(r.dead_lettered)}</td><td className="num">{count(r.waiting)}</td>
                <td className="balance">{missing(r) === 0 ? <Mark of="ok" label="balances" /> : <Mark of="broken" label={`${count(Math.abs(missing(r)))} ${missing(r) > 0 ? 'missing' : 'too many'}`} />}</td>
                <td className="num">{count(r.doubled)}</td><td><Ago at={r.last} /></td>
              </tr>
              {open === r.source && <tr className="event"><td colSpan={9}><Hours source={r.source} /></td></tr>}
            </Fragment>
          ))}</tbody>
        </table>
      )}
    </Panel>
  );
}

function missing(r: LedgerRow): number {
  return r.received - r.stored - r.rejected - r.dead_lettered - r.waiting;
}

function Hours({ source }: { source: string }) {
  const hours = useGet<List<LedgerRow>>(`/ledger?limit=48&source=${encodeURIComponent(source)}`);
  return (
    <Loaded of={hours}>
      {({ items }) => items.length === 0 ? <Empty>Nothing of it is in a segment yet.</Empty> : (
        <table>
          <thead><tr><th>Hour (UTC)</th><th className="num">Received</th><th className="num">= Stored</th><th className="num">+ Rejected</th><th className="num">+ Dead letters</th><th>Balance</th><th className="num">Read again</th><th className="num">Dropped by retention</th></tr></thead>
          <tbody>{items.map((r) => (
            <tr key={r.hour}>
              <td className="nowrap">{r.hour === undefined ? 'before hours were kept' : r.hour.slice(0, 16).replace('T', ' ')}</td>
              <td className="num">{count(r.received)}</td><td className="num">{count(r.stored)}</td><td className="num">{count(r.rejected)}</td><td className="num">{count(r.dead_lettered)}</td>
              <td>{missing(r) === 0 ? <Mark of="ok" label="balances" /> : <Mark of="broken" label={`${count(Math.abs(missing(r)))} off`} />}</td>
              <td className="num">{count(r.reparsed ?? 0)}</td><td className="num">{count((r.dropped ?? 0) + (r.dropped_dead ?? 0))}</td>
            </tr>
          ))}</tbody>
        </table>
      )}
    </Loaded>
  );
}

/** What could not be read, and how it is read again. */
export function DeadLetters({ rows }: { rows: LedgerRow[] }) {
  const dead = rows.filter((r) => r.dead_lettered > 0 || (r.reparsed ?? 0) > 0);
  return (
    <Panel title="Dead letters: kept as they came" tight>
      {dead.length === 0 ? <Empty>Every record that came in could be read.</Empty> : (
        <>
          <table>
            <thead><tr><th>Source</th><th className="num">Dead letters</th><th className="num">Of all</th><th className="num">Read later on</th><th>Look</th></tr></thead>
            <tbody>{dead.map((r) => (
              <tr key={r.source} className="hit">
                <td><Value field="source" value={r.source} /></td><td className="num">{count(r.dead_lettered)}</td>
                <td className="num">{(100 * r.dead_lettered / Math.max(r.received, 1)).toFixed(1)}%</td><td className="num">{count(r.reparsed ?? 0)}</td>
                <td><Link to={`/search?q=${encodeURIComponent(`dataset:deadletter ${term('source', r.source)}`)}`}>search them</Link></td>
              </tr>
            ))}</tbody>
          </table>
          <div className="panel-body"><p>Once a parser is mended, they are read again; each becomes an event once:</p><Copyable what="the command that reads dead letters again" text="holdfast ingest reparse --last 7d --dry-run" /></div>
        </>
      )}
    </Panel>
  );
}
