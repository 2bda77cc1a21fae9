import type { Found, OfField } from '../../api/types';
import { plain } from '../../components/text';

export type Columns = Found['columns'];

/** One event of an answer: its own columns, and the fields of its source. */
export class Event {
  private readonly at: Map<string, number>;
  private parsed: Record<string, unknown> | undefined;
  constructor(private readonly columns: Columns, readonly row: unknown[]) {
    this.at = places(columns);
  }

  get id(): string { return this.text('id'); }
  get time(): string { return this.text('time'); }

  get fields(): Record<string, unknown> {
    return (this.parsed ??= native(this.row[this.at.get('fields') ?? -1]));
  }

  text(name: string): string { return plain(this.row[this.at.get(name) ?? -1]); }

  /** A column of the event, a native field, or what stands behind an ECS name. */
  value(name: string, ecs: ReadonlyMap<string, string[]>): unknown {
    const at = this.at.get(name);
    if (at !== undefined) return this.row[at];
    if (Object.hasOwn(this.fields, name)) return this.fields[name];
    for (const n of ecs.get(name) ?? []) if (Object.hasOwn(this.fields, n)) return this.fields[n];
    return undefined;
  }

  /** What every source has, without what is empty. */
  own(): Record<string, unknown> {
    return Object.fromEntries(this.columns.map((c, i) => [c.name, this.row[i]] as const).filter(([k, v]) => k !== 'raw' && k !== 'fields' && v !== null && v !== ''));
  }

  /** The record in one line: as it came, or, of JSON, what its fields say. */
  line(): { name: string; value: string }[] | string {
    const raw = this.text('raw');
    if (!/^\s*[{[<]/.test(raw)) return raw.slice(0, 400);
    const shown = Object.entries(this.fields).filter(([k, v]) => plain(v) !== '' && !dull.has(k) && !/^Time/.test(k)).sort(([a], [b]) => (first.indexOf(a) + 1 || 99) - (first.indexOf(b) + 1 || 99)).slice(0, 10);
    if (shown.length === 0) return raw.slice(0, 400);
    return shown.map(([name, v]) => ({ name: name.slice(0, 60), value: plain(v).slice(0, 160) }));
  }

  json(): string {
    return JSON.stringify({ ...this.own(), fields: this.fields, raw: this.text('raw') }, null, 2);
  }

  /** Whether it names a process whose tree can be drawn. */
  process(): boolean {
    return ['ProcessGuid', 'NewProcessId', 'ProcessId', 'pid'].some((n) => plain(this.fields[n]) !== '') && this.text('host.name') !== '';
  }
}

/** What other columns say already, or nobody reads. */
const dull = new Set(['time', 'timestamp', '@timestamp', 'host.name', 'Computer', 'Channel', 'Provider_Name', 'EventRecordID', 'UtcTime', 'SystemTime', 'TimeCreated', 'Version', 'Level', 'Task', 'Opcode', 'Keywords', 'ProcessGuid', 'ParentProcessGuid', 'EventID']);
/** What people look at first. */
const first = ['message', 'CommandLine', 'Image', 'action', 'User', 'user.name', 'source.ip', 'destination.ip'];

const known = new WeakMap<Columns, Map<string, number>>();

function places(columns: Columns): Map<string, number> {
  let at = known.get(columns);
  if (!at) known.set(columns, (at = new Map(columns.map((c, i) => [c.name, i]))));
  return at;
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

/** The native fields behind each ECS name, as the result has them. */
export function ecsOf(fields: OfField[]): Map<string, string[]> {
  const out = new Map<string, string[]>();
  for (const f of fields) if (f.ecs) out.set(f.ecs, [...(out.get(f.ecs) ?? []), f.name]);
  return out;
}

export const usual = ['dataset', 'host.name', 'raw'];

export const titles: Record<string, string> = { time: 'Time', dataset: 'Dataset', 'host.name': 'Host', raw: 'Event', asset: 'Asset', source: 'Source', received: 'Received' };
