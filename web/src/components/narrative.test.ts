import { describe, expect, it } from 'vitest';

import type { Action, Alert, IncidentView } from '../api/types';
import { narrative } from './narrative';

const alert: Alert = {
  id: 'alt-1', rule: 'ssh_bruteforce', title: 'SSH passwords are being guessed', level: 'high', stages: null, group: [{ kind: 'source.ip', value: '192.0.2.7' }], entities: null,
  first: '2026-03-01T10:00:00Z', last: '2026-03-01T10:00:41Z', count: 5, matches: null, raised: '2026-03-01T10:00:42Z', updated: '2026-03-01T10:00:42Z', status: 'open',
};
const action: Action = {
  id: 'act-1', part: 'action/block-address', asset: 'ast-1', params: {}, why: 'passwords were guessed', status: 'planned', proposed_by: 'holdfast', proposed: '2026-03-01T10:00:43Z', updated: '2026-03-01T10:00:43Z',
};
const view: IncidentView = {
  incident: {
    id: 'inc-1', title: 'Guessing', status: 'open', level: 'high', rank: 40, reasons: null, entities: null, assets: null, alerts: ['alt-1'], tasks: null, timeline: null,
    opened: alert.raised, updated: alert.raised, requirements: [{ requirement: 'ssh-hard', asset: 'ast-1', check: 'c', why: 'password login was allowed' }],
  },
  alerts: [{ ...alert, id: 'alt-2', title: 'Later', first: '2026-03-01T11:00:00Z', last: '2026-03-01T11:00:00Z', count: 1 }, alert], actions: [action], gate: [{ gate: 'check', entity: 'ast-1', what: 'still broken', do: '' }],
};

describe('narrative', () => {
  it('tells alerts in order, why it could happen, what was done, and what is left', () => {
    const [first, second, third, fourth, last, ...rest] = narrative(view);
    expect(first).toMatch(/^SSH passwords are being guessed \(source.ip 192.0.2.7\): 5 events within 41 s, first at \d\d:\d\d:\d\d\.$/);
    expect(second).toMatch(/^Later \(source.ip 192.0.2.7\): one event, first at /);
    expect(third).toBe('It could happen because ssh-hard does not hold: password login was allowed.');
    expect(fourth).toBe('Planned, waits for a decision: action/block-address.');
    expect(last).toBe('One thing keeps it open.');
    expect(rest).toEqual([]);
  });
  it('names the people, and why something was not done', () => {
    const say = (a: Partial<Action>) => narrative({ ...view, actions: [{ ...action, ...a }] }).at(-2);
    expect(say({ status: 'undone', approved_by: 'alice', undone_by: 'bob' })).toBe('Undone, approved by alice, undone by bob: action/block-address.');
    expect(say({ status: 'rejected', error: 'the last account that can log in' })).toBe('Rejected: action/block-address (the last account that can log in).');
  });
  it('ends with how it was closed', () => {
    const end = (i: Partial<IncidentView['incident']>, gate = view.gate) => narrative({ ...view, incident: { ...view.incident, ...i }, gate }).at(-1);
    expect(end({}, [])).toBe('Nothing keeps it open any more.');
    expect(end({ status: 'closed', closed_by: 'alice' }, [])).toBe('It is closed by alice; nothing stood open.');
    expect(end({ status: 'closed', closed_by: 'bob', override: { asked_by: 'alice', granted_by: 'bob', because: 'x', expires: alert.last, open: null } })).toBe('It is closed against the gate; bob granted that.');
  });
});
