import type { Fault } from '../api/types';
import { Panel } from './Page';
import { Outside } from './Text';

/** What could not be read in files that people wrote, with the place. */
export function Faults({ of, what }: { of: Fault[] | null | undefined; what: string }) {
  if (!of?.length) return null;
  return (
    <Panel title={what} tight>
      <ul className="list">
        {of.map((f, i) => (
          <li key={i}>
            <code>{[f.file, f.line, f.column].filter(Boolean).join(':')}</code>
            <span className="grow"><Outside text={f.what} />{f.do && <div className="dim"><Outside text={f.do} /></div>}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
