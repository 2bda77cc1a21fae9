import { Button } from '@mantine/core';
import { useState } from 'react';

import { count } from './text';

/** The most rows of a list that the server gives at once. */
const most = 1000;

/** How many rows of a list to ask for: some first, more when somebody wants to see them. */
export function useMore(first: number): { limit: number; more: () => void } {
  const [limit, setLimit] = useState(first);
  return { limit, more: () => setLimit((n) => Math.min(n + 2 * first, most)) };
}

/** The foot of a table that does not show all there is. */
export function More({ shown, total, columns, onMore }: { shown: number; total: number; columns: number; onMore: () => void }) {
  if (total <= shown) return null;
  return (
    <tfoot>
      <tr>
        <td colSpan={columns}>
          <div className="tools">
            <span className="dim">{count(shown)} of {count(total)}{shown >= most && '; the command line lists all with --limit 0'}</span>
            {shown < most && <Button size="compact-xs" variant="default" onClick={onMore}>Show more</Button>}
          </div>
        </td>
      </tr>
    </tfoot>
  );
}
