/** The server's JSON, as the Go types of the root package and of api write it. */

export type Level = 'informational' | 'low' | 'medium' | 'high' | 'critical';
export type Time = string;
/** Go's time.Duration: nanoseconds. */
export type Nanos = number;

export interface Entity { kind: string; value: string }
export interface List<T> { items: T[]; total: number }
export interface Fault { file: string; line?: number; column?: number; what: string; do?: string }

export interface Session { user: string; roles: string[]; must_set_password: boolean; can: Record<string, boolean>; version: string }

export interface Need { say: string; href: string; at: Time; level: Level }
export interface Stage {
  name: string;
  state: 'ok' | 'attention' | 'broken' | 'unknown';
  numbers: { label: string; value: string }[] | null;
  needs: Need[] | null;
}
export interface Loop { stages: Stage[] }

export interface LedgerRow {
  source: string; received: number; stored: number; rejected: number; dead_lettered: number; waiting: number; doubled: number; last: Time; lossy?: string;
}
export interface Loaded { loaded: number; faults: Fault[] | null }
export interface Status {
  version: string; started: Time; uptime_seconds: number; data_dir: string;
  ingest: { accepting: boolean; why?: string };
  bus: { last: number; written: number; detected: number; bytes: number };
  events: { segments: number; events: number; bytes: number; oldest?: Time; newest?: Time };
  disk: { free: number; total: number; reserve: number };
  ledger: LedgerRow[] | null;
  notes: { source: string; trouble: string; at: Time }[] | null;
  rules: Loaded; checks: Loaded; requirements: Loaded;
  memory: { rss_bytes: number };
}

export interface Asset {
  id: string; kind: string; name: string; host: string; os: string; tags?: Record<string, string>; zone?: string;
  class: { confidentiality?: string; integrity?: string; availability?: string };
  addresses: string[] | null; agent?: string; enrolled: Time; seen: Time; local?: boolean; lacks?: string[];
}
export type Row = Record<string, unknown>;
export interface TableInfo { name: string; collected: Time; rows: number; error?: string; partial?: string }
export interface Table { name: string; collected: Time; took: Nanos; rows: Row[] | null; error?: string; partial?: string }

export type VerdictStatus = 'pass' | 'fail' | 'not-applicable' | 'unknown';
export interface Verdict {
  asset: string; check: string; title: string; severity: Level; status: VerdictStatus; decided?: Row; table?: string; why: string;
  population: number; failing: number; facts_at: Time; at: Time; since: Time; code: string; fix?: string;
}

export type State = 'holds' | 'broken' | 'unknown' | 'excepted' | 'not-applicable' | 'not-yet';
export interface Facet { state: State; why: string; evidence?: string[]; at?: Time }
export interface Standing { requirement: string; asset: string; implemented: Facet; verified: Facet; monitored: Facet; drilled: Facet; at: Time }
export interface Clause {
  verb: string; text: string; how: string; why?: string; artefacts?: string[]; checks?: string[]; rules?: string[]; drills?: string[];
}
export interface Requirement {
  id: string; say: string; owner: string; file: string; line: number; maps?: Record<string, string[]>; source: string; clauses: Clause[] | null;
}
export interface RequirementView { requirement: Requirement; standings: Standing[]; actions?: Action[] }

export interface Plan {
  id: string; part: string; asset: string; params: unknown; made: Time; summary: string; steps: { do: string; undo?: string }[] | null;
  diff?: string; hits?: { kind: string; value: string; why: string }[]; refused?: string[]; nothing?: boolean; fingerprint: string;
  lease?: string; confirm?: string;
}
export interface Proof { holds: boolean; at: Time; tests: { say: string; want: string; got: string; ok: boolean; took: Nanos }[] | null }
export interface Proofs { proofs: { action?: string; part: string; proof: Proof }[] | null; verdicts: Verdict[] | null }
export type ActionStatus =
  | 'proposed' | 'planned' | 'approved' | 'applying' | 'applied' | 'verified' | 'undoing' | 'undone' | 'accepted' | 'failed' | 'rejected';
export interface Action {
  id: string; part: string; asset: string; incident?: string; requirement?: string; params: unknown; why: string; status: ActionStatus;
  lease?: string; plan?: Plan; proof?: Proof; undo_proof?: Proof; proposed_by: string; approved_by?: string; error?: string;
  proposed: Time; approved?: Time; applied?: Time; verified?: Time; confirmed?: Time; expires?: Time; undone?: Time; undone_by?: string; updated: Time;
}

export interface Predicate { selection: string; field: string; op: string; want: string; got: string }
export interface Match { event: string; time: Time; dataset: string; rule: string; message: string; because: Predicate[] | null }
export interface Alert {
  id: string; rule: string; title: string; level: Level;
  stages: { rule: string; title: string; level: Level; why: string; time: Time; at: Time }[] | null;
  group: Entity[] | null; entities: Entity[] | null; asset?: string; first: Time; last: Time; count: number; matches: Match[] | null;
  attack?: string[]; raised: Time; updated: Time; incident?: string; drill?: string; status: 'open' | 'closed';
}

export interface Open { gate: string; entity: string; what: string; do: string }
export interface Incident {
  id: string; title: string; status: string; level: Level; rank: number; reasons: { points: number; why: string }[] | null;
  entities: Entity[] | null; assets: string[] | null; alerts: string[] | null; findings?: string[];
  requirements?: { requirement: string; asset: string; check: string; why: string }[];
  attack?: string[]; tasks: { id: string; say: string; done: boolean; by?: string; at?: Time }[] | null;
  notes?: { by: string; at: Time; text: string }[];
  timeline: { at: Time; kind: string; ref?: string; say: string }[] | null;
  drill?: string; opened: Time; updated: Time; closed?: Time; closed_by?: string;
  override?: { asked_by: string; granted_by?: string; because: string; expires: Time; open: Open[] | null };
  assignee?: string;
}
export interface IncidentView { incident: Incident; alerts: Alert[]; actions: Action[]; gate: Open[] }

export interface RuleInfo {
  id: string; name?: string; title: string; level: Level; kind: string; file: string;
  logsource: { product?: string; category?: string; service?: string }; attack?: string[]; silent?: boolean; source?: string;
}
export interface Part { name: string; title: string; description: string; references?: string[]; never?: string[] }
export interface InputInfo { source: string; asset?: string; lossy?: string; trouble?: string; last?: Time; received: number }

export interface Drill {
  id: string; kind: string; asset: string; target: string; incident?: string; by: string; status: 'running' | 'passed' | 'failed'; marker: string;
  hops: { name: string; at?: Time; took: Nanos; ok: boolean; ref?: string; say: string }[] | null;
  blocked?: boolean; rules?: string[]; fired?: string[]; why?: string; started: Time; ended?: Time; took: Nanos;
}

export interface Found { columns: { name: string; type: string }[]; rows: unknown[][]; truncated: boolean; events: boolean; took_ms: number; from: Time; to: Time }
export interface Histogram { from: Time; to: Time; step_seconds: number; buckets: { time: Time; count: number }[]; total: number }
export interface QueryFault { pos: number; len: number; what: string; suggest?: string }

export interface User { name: string; roles: string[]; created: Time; seen?: Time; disabled?: boolean }
export interface Token { id: string; kind: string; user?: string; name?: string; created: Time; expires: Time; seen?: Time }
export interface Evidence {
  key: string; at: Time; who: string; did: string; on: string; asset?: string; code?: string; population?: number; outcome: string; detail?: unknown;
}
export interface EvidenceEntry { index: number; evidence: Evidence }
export interface Finding { id: string; asset: string; check: string; title: string; severity: Level; opened: Time; closed?: Time; requirement?: string[] }
