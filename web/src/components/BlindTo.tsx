import { Link } from 'react-router';

import { path } from '../api/client';
import type { Blind } from '../api/types';
import { count } from './text';
import { Value } from './Value';

/** So many rules are named at once. */
export const shown = 6;

/** The rules and requirements that see nothing while something is wrong. */
export function BlindTo({ of }: { of: Blind }) {
  const first = (of.first ?? []).slice(0, shown);
  const requirements = of.requirements ?? [];
  if (of.rules === 0) return <p className="dim">No loaded rule depends on it.</p>;
  return (
    <>
      <p>
        <b>{count(of.rules)} {of.rules === 1 ? 'rule' : 'rules'}</b>
        {of.everywhere > 0 && <>, {count(of.everywhere)} of them get what they need from nowhere else</>}:{' '}
        {first.map((r) => <Value key={r} field="rule" value={r} href={`/rules?id=${encodeURIComponent(r)}`} />)}
        {of.rules > first.length && <span className="dim">and {count(of.rules - first.length)} more</span>}
      </p>
      {requirements.length > 0 && (
        <p>
          Not watched meanwhile: {requirements.map((r, i) => <span key={r}>{i > 0 && ', '}<Link to={path`/requirements/${r}`}>{r}</Link></span>)}
        </p>
      )}
    </>
  );
}
