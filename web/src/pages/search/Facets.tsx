import { Button, Switch, TextInput } from '@mantine/core';
import { IconChevronDown, IconChevronRight, IconMinus, IconPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useDeferredValue, useState } from 'react';

import { api } from '../../api/client';
import type { Facets as AllFacets, FacetValues, OfField } from '../../api/types';
import { Trouble } from '../../components/Page';
import { count, middle, narrowed } from '../../components/text';
import { Outside } from '../../components/Text';
import { rangeOf, type Change, type State } from './state';

const groups: [OfField['kind'], string][] = [['entity', 'Entities'], ['event', 'The event'], ['native', 'Fields of the source']];

interface Props {
  state: State;
  facets: AllFacets | undefined;
  pending: boolean;
  change: (to: Change, replace?: boolean) => void;
  columns: string[];
  onColumn: (name: string) => void;
  run: number;
}

/** The fields of all events that the search finds, not only of those on the page. */
export function Facets({ state, facets, pending, change, columns, onColumn, run }: Props) {
  const [find, setFind] = useState('');
  const like = useDeferredValue(find.trim().toLowerCase());
  const taken = new Set((facets?.fields ?? []).filter((f) => f.kind !== 'native').map((f) => f.name));
  const fields = (facets?.fields ?? []).filter((f) => f.kind !== 'native' || !taken.has(f.name)).filter((f) => like === '' || f.name.toLowerCase().includes(like) || (f.ecs ?? '').includes(like));
  return (
    <aside className="panel facet-list" aria-label="Fields">
      <div className="facet-find">
        <TextInput size="xs" aria-label="Find a field" placeholder={facets ? `Find in ${count(fields.length)} field${fields.length === 1 ? '' : 's'}` : 'Find a field'} value={find} onChange={(e) => setFind(e.currentTarget.value)} />
      </div>
      {!facets && <p className="dim pad">{pending ? 'Counting fields…' : 'This search has no events to count.'}</p>}
      {facets && fields.length === 0 && <p className="dim pad">{like === '' ? 'No event has a field here.' : 'No such field.'}</p>}
      {groups.map(([kind, title]) => {
        const of = fields.filter((f) => f.kind === kind);
        if (of.length === 0) return null;
        return (
          <section key={kind}>
            <h3>{title}</h3>
            <ul>
              {of.map((f) => (
                <Field key={f.name} of={f} state={state} change={change} run={run} shown={columns.includes(f.name)} onColumn={() => onColumn(f.name)} />
              ))}
            </ul>
          </section>
        );
      })}
      {facets?.more && <p className="dim pad">There are more fields than these.</p>}
    </aside>
  );
}

function Field({ of, state, change, run, shown, onColumn }: { of: OfField; state: State; change: Props['change']; run: number; shown: boolean; onColumn: () => void }) {
  const open = state.field === of.name;
  return (
    <li className={open ? 'facet-field open' : 'facet-field'}>
      <button type="button" className="facet-name" aria-expanded={open} onClick={() => change({ field: open ? null : of.name }, true)} title={`${of.name.slice(0, 300)}${of.ecs ? ` (${of.ecs})` : ''}: in ${count(of.events)} events`}>
        {open ? <IconChevronDown size={13} aria-hidden /> : <IconChevronRight size={13} aria-hidden />}
        <span className="name"><Outside text={of.name.slice(0, 120)} /></span>
        <span className="n" aria-label={`${of.different} different values`}>{count(of.different)}</span>
      </button>
      {open && <Values of={of} state={state} change={change} run={run} shown={shown} onColumn={onColumn} />}
    </li>
  );
}

function Values({ of, state, change, run, shown, onColumn }: { of: OfField; state: State; change: Props['change']; run: number; shown: boolean; onColumn: () => void }) {
  const [limit, setLimit] = useState(10);
  const [like, setLike] = useState('');
  const typed = useDeferredValue(like.trim());
  const { q, last, from, to, rare } = state;
  const values = useQuery<FacetValues>({
    queryKey: ['values', q, last, from, to, run, of.name, rare, typed, limit],
    queryFn: ({ signal }) => api.post<FacetValues>('/query/values', { q, ...rangeOf({ last, from, to }), field: of.name, rare, like: typed, limit }, signal),
    retry: false,
    staleTime: Infinity,
    placeholderData: (old) => old,
  });
  const d = values.data;
  const take = (value: string, without: boolean) => change({ q: narrowed(q, of.name, value, without), field: null, open: [] });
  return (
    <div className="facet-values">
      <div className="facet-tools">
        <Switch size="xs" label="Rare first" checked={rare} onChange={(e) => change({ rare: e.currentTarget.checked ? '1' : null }, true)} />
        <Button size="compact-xs" variant="default" onClick={onColumn}>{shown ? 'Remove column' : 'Add column'}</Button>
      </div>
      {(d?.different ?? of.different) > 10 && <TextInput size="xs" aria-label={`Find a value of ${of.name.slice(0, 100)}`} placeholder="Find a value" value={like} onChange={(e) => setLike(e.currentTarget.value)} />}
      {values.error && <Trouble error={values.error} again={() => void values.refetch()} />}
      {!d && values.isPending && <p className="dim">Counting values…</p>}
      {d && (
        <>
          <ol aria-busy={values.isFetching}>
            {d.values.map((v) => {
              const share = d.total > 0 ? v.events / d.total : 0;
              const name = v.value.slice(0, 200);
              return (
                <li key={v.value}>
                  <button type="button" className="facet-value" disabled={v.cut} onClick={() => take(v.value, false)} title={`Include ${name}; first ${v.first}, last ${v.last}`}>
                    <span className="bar-of" style={{ width: `${Math.max(share * 100, 0.8)}%` }} aria-hidden />
                    <span className="name"><Outside text={middle(v.value, 24)} /></span>
                    <span className="n">{count(v.events)} <small>{percent(share)}{rare || d.hosts > 1 ? ` · ${count(v.hosts)} host${v.hosts === 1 ? '' : 's'}` : ''}</small></span>
                  </button>
                  <button type="button" className="tiny" aria-label={`Include ${name}`} disabled={v.cut} onClick={() => take(v.value, false)}><IconPlus size={13} aria-hidden /></button>
                  <button type="button" className="tiny" aria-label={`Exclude ${name}`} disabled={v.cut} onClick={() => take(v.value, true)}><IconMinus size={13} aria-hidden /></button>
                </li>
              );
            })}
          </ol>
          <p className="dim">
            {count(d.different)} value{d.different === 1 ? '' : 's'} in {count(d.total)} events{d.hosts > 0 && ` of ${count(d.hosts)} host${d.hosts === 1 ? '' : 's'}`}
            {d.values.length >= limit && limit < 1000 && <> <Button size="compact-xs" variant="subtle" onClick={() => setLimit(Math.min(limit * 5, 1000))}>More</Button></>}
          </p>
        </>
      )}
    </div>
  );
}

function percent(share: number): string {
  const p = share * 100;
  return p >= 10 ? `${p.toFixed(0)}%` : p >= 0.1 ? `${p.toFixed(1)}%` : '<0.1%';
}
