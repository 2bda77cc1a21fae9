import type { components } from './schema';

/**
 * The server's JSON by the names that the console uses. What the server's
 * description says is taken from it; what stands here besides is what the
 * description cannot say: words of a string, lists that are never null, and
 * rows whose fields are only known at run time.
 */
type Said = components['schemas'];
/** The same with other types for some fields. */
type With<T, U> = Omit<T, keyof U> & U;

export type Time = string;

export type Level = Said['Need']['level'];
export type Entity = Said['Entity'];
export interface List<T> { items: T[]; total: number }
export type Fault = Said['Fault'];

export type Session = With<Said['Session'], { roles: string[] }>;

export type Need = Said['Need'];
export type Stage = With<Said['StageView'], { state: 'ok' | 'attention' | 'broken' | 'unknown' }>;
export interface Loop { stages: Stage[] }

export type LedgerRow = Said['LedgerRow'];
export type HealthSource = Said['HealthSource'];
export type HealthTrouble = Said['HealthTrouble'];
export type PipelineHealth = Said['Health'];
export type Node = Said['Node'];
export type Blind = Said['Blind'];
export type Blindness = Said['Blindness'];
export type Retention = Said['Retention'];
export type Hold = Said['Hold'];
export type Loaded = Said['Loaded'];
export type Status = Said['Status'];

export type Asset = Said['Asset'];
export type Row = Record<string, unknown>;
export type TableInfo = Said['TableInfo'];
export type Table = With<Said['Table'], { rows: Row[] | null }>;

export type Verdict = With<Said['Verdict'], { decided?: Row }>;
export type VerdictStatus = Verdict['status'];

export type Facet = Said['Facet'];
export type State = Facet['state'];
export type Standing = Said['Standing'];
export type Clause = Said['Clause'];
export type Requirement = Said['Requirement'];
export type RequirementView = With<Said['RequirementView'], { standings: Standing[] }>;

export type Plan = Said['Plan'];
export type Proof = Said['Proof'];
export type Proofs = With<Said['Proofs'], { verdicts: Verdict[] | null }>;
export type Action = Said['Action'];
export type ActionStatus = Action['status'];

export type Predicate = Said['Predicate'];
export type Match = Said['Match'];
export type Alert = With<Said['Alert'], { status: 'open' | 'closed' }>;

export type Open = Said['Open'];
export type Incident = Said['Incident'];
export interface IncidentView { incident: Incident; alerts: Alert[]; actions: Action[]; gate: Open[] }

export type RuleInfo = Said['RuleInfo'];
export type Part = Said['Part'];
export type InputInfo = Said['InputInfo'];

export type Drill = With<Said['Drill'], { status: 'running' | 'passed' | 'failed' }>;

export type Found = With<Said['Found'], { columns: NonNullable<Said['Found']['columns']>; rows: unknown[][] }>;
export type Histogram = With<Said['Histogram'], { buckets: Said['Bucket'][] }>;
export type Facets = With<Said['Facets'], { fields: Said['OfField'][] }>;
export type OfField = Said['OfField'];
export type FacetValues = With<Said['FacetValues'], { values: Said['FacetValue'][] }>;
export type Tailed = With<Said['Tailed'], { columns: Found['columns']; rows: unknown[][] }>;
export type ProcessTree = With<Said['ProcessTree'], { nodes: Said['ProcessNode'][] }>;
export type ProcessNode = Said['ProcessNode'];
export type Completion = With<Said['Completion'], { items: Said['Candidate'][] }>;
/** Stands in a problem, which the description does not detail. */
export interface QueryFault { pos: number; len: number; what: string; suggest?: string }

export type SavedSearch = Said['Search'];
export type Hunt = With<Said['Hunt'], { status: 'running' | 'done' | 'cancelled' | 'failed' }>;
export type HuntHit = Said['HuntHit'];
export type ReplayRule = Said['ReplayRule'];

export type User = With<Said['User'], { roles: string[] }>;
export type Token = Said['Token2'];
export type Evidence = Said['Evidence'];
export type EvidenceEntry = Said['EvidenceEntry'];
export type Finding = Said['Finding'];
