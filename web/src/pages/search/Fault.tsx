import { Button } from '@mantine/core';

import type { QueryFault } from '../../api/types';
import { span } from '../../components/text';
import { Outside } from '../../components/Text';

/** The search with its fault under the exact characters. */
export function Fault({ q, fault, onTake }: { q: string; fault: QueryFault; onTake: (q: string) => void }) {
  const [a, b] = span(q, fault.pos, fault.len);
  const bad = q.slice(a, b) || ' ';
  const meant = /^did you mean "([^"\\]+)"\?$/.exec(fault.suggest ?? '')?.[1];
  return (
    <div className="wrong" role="alert">
      {q.slice(0, a)}<mark className="fault">{bad}</mark>{q.slice(b)}
      <p>
        <Outside text={fault.what} />
        {fault.suggest && <>; <Outside text={fault.suggest} /> </>}
        {meant && <Button size="compact-xs" variant="default" onClick={() => onTake(q.slice(0, a) + meant + q.slice(b))}>Use it</Button>}
      </p>
    </div>
  );
}
