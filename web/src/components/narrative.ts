import type { Action, Alert, IncidentView } from '../api/types';

/** What the incident is about, told in order, each sentence from what is kept. */
export function narrative(view: IncidentView): string[] {
  const { incident: i, alerts, actions, gate } = view;
  return [
    ...[...alerts].sort((a, b) => a.first.localeCompare(b.first)).map(seen),
    ...(i.requirements ?? []).map((r) => `It could happen because ${r.requirement} does not hold: ${r.why}.`),
    ...[...actions].sort((a, b) => a.proposed.localeCompare(b.proposed)).map(done),
    ending(i.status, gate.length, i.closed_by, i.override?.granted_by),
  ];
}

function seen(a: Alert): string {
  const about = (a.group ?? []).map((e) => `${e.kind} ${e.value}`).join(', ');
  const span = Math.round((Date.parse(a.last) - Date.parse(a.first)) / 1000);
  const events = a.count === 1 ? 'one event' : `${a.count} events${span > 0 ? ` within ${long(span)}` : ''}`;
  return `${a.title}${about && ` (${about})`}: ${events}, first at ${clock(a.first)}.`;
}

const fates: Record<Action['status'], string> = {
  proposed: 'Proposed, the plan is being made', planned: 'Planned, waits for a decision', approved: 'Approved', applying: 'Being applied', applied: 'Applied, not proven yet', verified: 'In force and proven',
  undoing: 'Being undone', undone: 'Undone', accepted: 'Kept for good', failed: 'Failed', rejected: 'Rejected',
};

function done(a: Action): string {
  const by = [a.approved_by && a.status !== 'rejected' ? `approved by ${a.approved_by}` : '', a.status === 'undone' && a.undone_by ? `undone by ${a.undone_by}` : ''].filter(Boolean).join(', ');
  const why = a.error && (a.status === 'failed' || a.status === 'rejected') ? ` (${a.error})` : '';
  return `${fates[a.status]}${by && `, ${by}`}: ${a.plan?.summary ?? a.part}${why}.`;
}

function ending(status: string, open: number, by: string | undefined, granted: string | undefined): string {
  if (status === 'closed') return granted ? `It is closed against the gate; ${granted} granted that.` : `It is closed${by ? ` by ${by}` : ''}; nothing stood open.`;
  if (open === 0) return 'Nothing keeps it open any more.';
  return open === 1 ? 'One thing keeps it open.' : `${open} things keep it open.`;
}

function clock(at: string): string {
  return new Date(at).toLocaleTimeString('en-GB');
}

function long(s: number): string {
  return s < 120 ? `${s} s` : s < 7200 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3600)} h`;
}
