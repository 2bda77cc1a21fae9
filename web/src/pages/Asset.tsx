import { Button, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useParams, useSearchParams } from 'react-router';

import { api, path } from '../api/client';
import { useDo, useGet } from '../api/hooks';
import type { Asset, List, Table, TableInfo, Verdict } from '../api/types';
import { Mark } from '../components/Mark';
import { Do, Empty, Loaded, Page, Panel } from '../components/Page';
import { took } from '../components/text';
import { Ago, Outside } from '../components/Text';
import { Value } from '../components/Value';
import { Verdicts } from '../components/Verdicts';

export default function AssetPage() {
  const { id = '' } = useParams();
  const [url, setUrl] = useSearchParams();
  const asset = useGet<Asset>(path`/assets/${id}`);
  const verdicts = useGet<List<Verdict>>(`/verdicts?asset=${encodeURIComponent(id)}&limit=1000`);
  const tables = useGet<List<TableInfo>>(path`/assets/${id}/facts`);
  const assess = useDo(() => api.post<{ took: number; verdicts: Verdict[] | null }>(path`/assets/${id}/assess`));
  const open = url.get('table');
  return (
    <Loaded of={asset}>
      {(a) => (
        <Page
          title={a.name}
          say={<>{a.kind}, {a.os}{a.local && ', this host'} · <Value field="asset" value={a.id} /> {(a.addresses ?? []).map((x) => <Value key={x} field="source.ip" value={x} />)} · seen <Ago at={a.seen} />, enrolled <Ago at={a.enrolled} />{assess.data && <> · assessed in {took(assess.data.took)}</>}</>}
          tools={<Do effect="asset.assess" loading={assess.isPending} onClick={() => assess.mutate()}>Assess now</Do>}
        >
          {(a.lacks ?? []).length > 0 && (
            <Panel title="Rights its agent lacks">{a.lacks?.map((l) => <div key={l}><Mark of="attention" /> <Outside text={l} /></div>)}</Panel>
          )}
          <Panel title="Checks" tight><Loaded of={verdicts}>{({ items }) => <Verdicts of={items} />}</Loaded></Panel>
          <Panel title="Facts">
            <Loaded of={tables}>
              {({ items }) =>
                items.length === 0 ? (
                  <Empty>No facts yet. Assess now collects them.</Empty>
                ) : (
                  <div className="tools" role="group" aria-label="Fact tables">
                    {items.map((t) => (
                      <Button key={t.name} size="compact-xs" variant={t.name === open ? 'filled' : 'default'} aria-pressed={t.name === open} title={t.error ?? t.partial} onClick={() => setUrl(t.name === open ? {} : { table: t.name }, { replace: true })}>
                        {t.name} {t.error ? '(unreadable)' : t.rows}
                      </Button>
                    ))}
                  </div>
                )
              }
            </Loaded>
            {open && <Facts asset={id} name={open} />}
          </Panel>
          <Tags asset={a} />
        </Page>
      )}
    </Loaded>
  );
}

function Facts({ asset, name }: { asset: string; name: string }) {
  const table = useGet<Table>(path`/assets/${asset}/facts/${name}`);
  const [find, setFind] = useState('');
  return (
    <Loaded of={table}>
      {(t) => {
        const rows = t.rows ?? [];
        const columns = [...new Set(rows.slice(0, 200).flatMap((r) => Object.keys(r)))];
        const wide = columns.length > 14;
        const shown = rows.filter((r) => find === '' || JSON.stringify(r).toLowerCase().includes(find.toLowerCase()));
        return (
          <>
            <div className="tools" style={{ margin: '10px 0 6px' }}>
              <TextInput aria-label="Find in this table" placeholder="find in this table" value={find} onChange={(e) => setFind(e.currentTarget.value)} />
              <span className="dim">{shown.length} of {rows.length} rows, collected <Ago at={t.collected} /> in {took(t.took)}</span>
              {t.error && <Mark of="unknown" label={t.error} />}
              {t.partial && <Mark of="attention" label={t.partial} />}
            </div>
            <div className="scroll">
              {wide ? (
                <table>
                  <tbody>
                    {shown.slice(0, 20).flatMap((r, i) => columns.filter((c) => find === '' || c.includes(find.toLowerCase()) || JSON.stringify(r[c] ?? '').toLowerCase().includes(find.toLowerCase())).map((c) => <tr key={`${i} ${c}`} className="hit"><td className="dim"><Outside text={c} /></td><td><Value field={c} value={r[c]} /></td></tr>))}
                  </tbody>
                </table>
              ) : (
                <table>
                  <thead><tr>{columns.map((c) => <th key={c}>{c}</th>)}</tr></thead>
                  <tbody>{shown.slice(0, 300).map((r, i) => <tr key={i} className="hit">{columns.map((c) => <td key={c}><Value field={c} value={r[c]} /></td>)}</tr>)}</tbody>
                </table>
              )}
            </div>
            {shown.length > 300 && <p className="dim">The first 300 are shown; find narrows them down.</p>}
          </>
        );
      }}
    </Loaded>
  );
}

function Tags({ asset }: { asset: Asset }) {
  const was = Object.entries(asset.tags ?? {}).map(([k, v]) => `${k}=${v}`).join(' ');
  const [text, setText] = useState(was);
  const save = useDo(() => api.put(path`/assets/${asset.id}/tags`, { tags: Object.fromEntries(text.split(/\s+/).filter((t) => t.includes('=')).map((t) => [t.slice(0, t.indexOf('=')), t.slice(t.indexOf('=') + 1)])) }));
  return (
    <Panel title="Tags" tools={<Do effect="asset.tag" variant="default" why={text === was ? 'Nothing is changed.' : undefined} loading={save.isPending} onClick={() => save.mutate()}>Save</Do>}>
      <TextInput aria-label="Tags" placeholder="role=web env=prod" value={text} onChange={(e) => setText(e.currentTarget.value)} description="key=value, with spaces between. Requirements choose hosts by them." />
    </Panel>
  );
}
