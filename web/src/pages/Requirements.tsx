import { Link } from 'react-router';

import { path } from '../api/client';
import { useGet } from '../api/hooks';
import type { Facet, Fault, List, RequirementView, Standing, State } from '../api/types';
import { Faults } from '../components/Faults';
import { Mark } from '../components/Mark';
import { Empty, Loaded, Page, Panel } from '../components/Page';
import { Outside } from '../components/Text';

export const facets = ['implemented', 'verified', 'monitored', 'drilled'] as const;
const worse: State[] = ['broken', 'unknown', 'not-yet', 'excepted', 'holds', 'not-applicable'];

/** The worst asset decides. */
export function worst(standings: Standing[], facet: (typeof facets)[number]): { facet: Facet; asset: string } | undefined {
  return standings
    .map((s) => ({ facet: s[facet], asset: s.asset }))
    .sort((a, b) => worse.indexOf(a.facet.state) - worse.indexOf(b.facet.state))[0];
}

export default function Requirements() {
  const list = useGet<List<RequirementView> & { faults: Fault[] | null }>('/requirements');
  return (
    <Page title="Requirements" say="One sentence each: implemented, verified, monitored, drilled. The worst asset decides.">
      <Loaded of={list}>
        {({ items, faults }) => (
          <>
            <Faults of={faults} what="Requirements that were not loaded" />
            <Panel tight>
              {items.length === 0 ? (
                <Empty>No requirement is loaded. Write one as YAML in the requirements folder of the data directory; it is read at once.</Empty>
              ) : (
                <table>
                  <thead>
                    <tr><th>Requirement</th>{facets.map((f) => <th key={f}>{f}</th>)}</tr>
                  </thead>
                  <tbody>
                    {items.map(({ requirement: r, standings }) => (
                      <tr key={r.id} className="hit">
                        <td>
                          <Link to={path`/requirements/${r.id}`}><b>{r.id}</b></Link>
                          <div className="dim"><Outside text={r.say} /></div>
                        </td>
                        {facets.map((f) => {
                          const w = worst(standings, f);
                          return (
                            <td key={f} style={{ width: '15%' }}>
                              {w ? (
                                <>
                                  <Mark of={w.facet.state} />
                                  {w.facet.state !== 'holds' && <div className="dim" style={{ fontSize: 12 }}><Outside text={w.facet.why} /></div>}
                                </>
                              ) : (
                                <Mark of="unknown" label="no asset" />
                              )}
                            </td>
                          );
                        })}
                      </tr>
                    ))}
                  </tbody>
                </table>
              )}
            </Panel>
          </>
        )}
      </Loaded>
    </Page>
  );
}
