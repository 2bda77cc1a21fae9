// The nouns as the server's JSON has them; the Go types of the same names are
// the source.

export type Level = 'informational' | 'low' | 'medium' | 'high' | 'critical';
export interface List<T> { items: T[]; total: number }
export interface Fault { file: string; line?: number; column?: number; what: string; do?: string }
export interface Entity { kind: string; value: string }
export interface Session { user: string; roles: string[]; must_set_password: boolean; can: Record<string, boolean>; version: string }
export interface Figure { label: string; value: string }
export interface Need { say: string; href: string; at: string; level: Level }
export interface StageView { name: string; state: string; numbers: Figure[]; needs: Need[] }
export interface Overview { stages: StageView[] }
export interface LedgerRow { source: string; received: number; stored: number; rejected: number; dead_lettered: number; waiting: number; doubled: number; last: string; lossy?: string }
export interface Loaded { loaded: number; faults: Fault[] | null }
export interface Status {
  version: string; started: string; uptime_seconds: number; data_dir: string;
  ingest: { accepting: boolean; why?: string };
  bus: { last: number; written: number; detected: number; bytes: number };
  events: { segments: number; events: number; bytes: number; oldest?: string; newest?: string };
  disk: { free: number; total: number; reserve: number };
  ledger: LedgerRow[] | null; notes: { source: string; trouble: string; at: string }[] | null;
  rules: Loaded; checks: Loaded; requirements: Loaded; memory: { rss_bytes: number };
}
export interface Asset { id: string; kind: string; name: string; os: string; tags?: Record<string, string>; addresses: string[] | null; agent?: string; seen: string; local?: boolean; lacks?: string[] | null }
export interface TableInfo { name: string; collected: string; rows: number; error?: string; partial?: string }
export interface Table { name: string; rows: Record<string, unknown>[]; error?: string; partial?: string }
export interface Verdict { asset: string; check: string; title: string; severity: Level; status: 'pass' | 'fail' | 'unknown' | 'not-applicable'; why: string; facts_at: string; fix?: string; population: number; failing: number }
export interface Facet { state: string; why: string; evidence?: string[] | null; at?: string }
export interface Standing { requirement: string; asset: string; implemented: Facet; verified: Facet; monitored: Facet; drilled: Facet }
export interface Clause { verb: string; text: string; how: string; why?: string; artefacts?: string[]; checks?: string[]; rules?: string[]; drills?: string[] }
export interface Requirement { id: string; say: string; owner: string; file: string; line: number; source: string; clauses: Clause[]; maps?: Record<string, string[]> }
export interface RequirementView { requirement: Requirement; standings: Standing[]; actions?: Action[] }
export interface Step { do: string; undo?: string }
export interface Hit { kind: string; value: string; why: string }
export interface Plan { id: string; part: string; summary: string; steps: Step[] | null; diff?: string; hits?: Hit[] | null; refused?: string[] | null; nothing?: boolean; lease?: string; confirm?: string }
export interface Test { say: string; want: string; got: string; ok: boolean; took: number }
export interface Proof { holds: boolean; at: string; tests: Test[] | null }
export interface Action { id: string; part: string; asset: string; incident?: string; requirement?: string; why: string; status: string; plan?: Plan; proof?: Proof; undo_proof?: Proof; proposed_by: string; approved_by?: string; error?: string; expires?: string; undone_by?: string; updated: string }
export interface Predicate { selection: string; field: string; op: string; want: string; got: string }
export interface Match { event: string; time: string; dataset: string; rule: string; message: string; because: Predicate[] | null }
export interface Alert { id: string; rule: string; title: string; level: Level; stages: { rule: string; title: string; level: Level; why: string; time: string }[]; group: Entity[] | null; entities: Entity[] | null; asset?: string; first: string; last: string; count: number; matches: Match[] | null; attack?: string[] | null; incident?: string; drill?: string; status: string }
export interface Open { gate: string; entity: string; what: string; do: string }
export interface Incident {
  id: string; title: string; status: string; level: Level; rank: number; reasons: { points: number; why: string }[] | null; entities: Entity[] | null; assets: string[] | null;
  requirements?: { requirement: string; asset: string; check: string; why: string }[] | null; tasks: { id: string; say: string; done: boolean; by?: string }[] | null;
  notes?: { by: string; at: string; text: string }[] | null; timeline: { at: string; kind: string; ref?: string; say: string }[] | null; drill?: string; opened: string; updated: string;
  assignee?: string; override?: { asked_by: string; granted_by?: string; because: string; expires: string };
}
export interface IncidentView { incident: Incident; alerts: Alert[]; actions: Action[]; gate: Open[] }
export interface Found { columns: { name: string; type: string }[] | null; rows: unknown[][]; truncated: boolean; events: boolean; took_ms: number; from: string; to: string }
export interface Histogram { from: string; to: string; step_seconds: number; buckets: { time: string; count: number }[]; total: number }
export interface Drill { id: string; kind: string; asset: string; target: string; status: string; why?: string; started: string; took: number; hops: { name: string; took: number; ok: boolean; say: string }[] | null }
export interface InputInfo { source: string; asset?: string; lossy?: string; trouble?: string; last?: string; received: number }
export interface User { name: string; roles: string[]; created: string; seen?: string; disabled?: boolean }
export interface EvidenceEntry { index: number; evidence: { at: string; who: string; did: string; on: string; outcome: string } }
export interface QueryFault { pos: number; len: number; what: string; suggest?: string }
