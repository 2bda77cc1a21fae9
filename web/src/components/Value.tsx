import { Menu } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { IconAdjustmentsOff, IconBan, IconBinaryTree, IconClockSearch, IconCopy, IconFileSearch, IconFilter, IconFilterExclamation, IconFilterOff, IconFlame, IconServer } from '@tabler/icons-react';
import { useContext, useState } from 'react';
import { useLocation, useNavigate } from 'react-router';

import { useDenied, useGet } from '../api/hooks';
import type { Asset, List } from '../api/types';
import { AboutEvent, isAddress } from './about';
import { narrowed, plain } from './text';
import { Long, Outside } from './Text';

/** Fields that are about people, addresses and the like can be looked up over all sources. */
const entities = new Set([
  'host.name', 'user.name', 'source.ip', 'destination.ip', 'process.name', 'process.executable', 'file.hash.sha256', 'file.path', 'url.domain', 'cloud.principal',
]);

interface Props {
  field: string;
  value: unknown;
  /** Where this value has a page of its own. */
  href?: string;
  clip?: boolean;
  /** What to show in its place; the value itself is told on hover. */
  shown?: string | undefined;
}

/** Any value, with what can be done with it: include, exclude, look up, copy. */
export function Value(props: Props) {
  return props.field === 'asset' && typeof props.value === 'string' && props.value.startsWith('ast-') ? <AssetValue {...props} value={props.value} /> : <Any {...props} />;
}

/** An asset is shown by its name; what is searched for, or copied, is its id. */
function AssetValue(props: Props & { value: string }) {
  const assets = useGet<List<Asset>>('/assets?limit=1000');
  return <Any {...props} shown={assets.data?.items.find((a) => a.id === props.value)?.name} />;
}

export function copy(text: string): void {
  navigator.clipboard.writeText(text).then(
    () => notifications.show({ message: 'Copied.', autoClose: 1500 }),
    () => notifications.show({ color: 'red', message: 'The browser does not let this page copy.' }),
  );
}

function Any({ field, value, href, clip, shown }: Props) {
  const [open, setOpen] = useState(false);
  const text = plain(value);
  if (text === '') return <span className="dim">–</span>;
  const long = !clip && text.length > 1200;
  return (
    <>
      <Menu opened={open} onChange={setOpen} position="bottom-start" withinPortal shadow="md" width={270}>
        <Menu.Target>
          <button
            type="button"
            className={clip ? 'value clip' : 'value'}
            title={clip || shown ? text.slice(0, 1000) : `${field.slice(0, 200)}: what to do with this value`}
            onContextMenu={(e) => {
              e.preventDefault();
              setOpen(true);
            }}
          >
            <Outside text={shown ?? (long ? `${text.slice(0, 80)}…` : clip ? text.slice(0, 300) : text)} />
          </button>
        </Menu.Target>
        {open && <ValueMenu field={field} text={text} shown={shown} href={href} />}
      </Menu>
      {long && <div className="long"><Long text={text} /></div>}
    </>
  );
}

/** What can be done with a value; where it stands in an event of a search, more. */
export function ValueMenu({ field, text, shown, href }: { field: string; text: string; shown?: string | undefined; href?: string | undefined }) {
  const navigate = useNavigate();
  const { pathname, search } = useLocation();
  const about = useContext(AboutEvent);
  const inSearch = pathname === '/search';
  const current = inSearch ? (new URLSearchParams(search).get('q') ?? '') : '';
  const go = (q: string, keepRange: boolean, more: Record<string, string> = {}) => {
    const params = new URLSearchParams(keepRange ? search : '');
    for (const k of ['open', 'tail', 'field']) params.delete(k);
    params.set('q', q);
    for (const [k, v] of Object.entries(more)) params.set(k, v);
    void navigate(`/search?${params.toString()}`);
  };
  const only = narrowed('', field, text);
  const page = href ?? (field === 'asset' && text.startsWith('ast-') ? `/assets/${encodeURIComponent(text)}` : undefined);
  const around = (minutes: number) => {
    const at = Date.parse(about?.time ?? '');
    return { from: new Date(at - minutes * 60_000).toISOString(), to: new Date(at + minutes * 60_000).toISOString() };
  };
  const noIncident = useDenied('incident.event');
  const noExcept = useDenied('exception.add');
  const noBlock = useDenied('action.propose');
  return (
    <Menu.Dropdown>
      <Menu.Label className="menu-label"><Outside text={`${field.slice(0, 100)} ${(shown ? text : '').slice(0, 100)}`} /></Menu.Label>
      <Menu.Item leftSection={<IconFilter size={15} />} onClick={() => go(narrowed(current, field, text), inSearch)}>Include in search</Menu.Item>
      <Menu.Item leftSection={<IconFilterOff size={15} />} onClick={() => go(narrowed(current, field, text, true), inSearch)}>Exclude from search</Menu.Item>
      {inSearch && <Menu.Item leftSection={<IconFilterExclamation size={15} />} onClick={() => go(only, true)}>Only this</Menu.Item>}
      <Menu.Item leftSection={<IconFileSearch size={15} />} onClick={() => go(entities.has(field) ? only : JSON.stringify(text), false)}>Look up everywhere</Menu.Item>
      {about && <Menu.Item leftSection={<IconClockSearch size={15} />} onClick={() => go(only, false, around(15))}>Around this event, ± 15 min</Menu.Item>}
      {about && (
        <>
          <Menu.Divider />
          {about.tree && <Menu.Item leftSection={<IconBinaryTree size={15} />} onClick={about.tree}>Process tree</Menu.Item>}
          <Menu.Item leftSection={<IconFlame size={15} />} disabled={noIncident !== undefined} title={noIncident} onClick={about.incident}>Add event to incident…</Menu.Item>
          <Menu.Item leftSection={<IconAdjustmentsOff size={15} />} disabled={noExcept !== undefined} title={noExcept} onClick={() => about.except(field, text)}>Except from a rule…</Menu.Item>
          {isAddress(text) && <Menu.Item leftSection={<IconBan size={15} />} disabled={noBlock !== undefined} title={noBlock} onClick={() => about.block(field, text)}>Block this address…</Menu.Item>}
        </>
      )}
      <Menu.Divider />
      {page && <Menu.Item leftSection={<IconServer size={15} />} onClick={() => void navigate(page)}>Open its page</Menu.Item>}
      <Menu.Item leftSection={<IconCopy size={15} />} onClick={() => copy(text)}>Copy</Menu.Item>
    </Menu.Dropdown>
  );
}

/** The values of a row, each with its menu. */
export function Fields({ row }: { row: Record<string, unknown> }) {
  return (
    <dl className="fields">
      {Object.entries(row).map(([k, v]) => (
        <div key={k}>
          <dt>
            <Outside text={k.slice(0, 300)} />
          </dt>
          <dd>
            {Array.isArray(v) ? (v as unknown[]).slice(0, 100).map((one, i) => <Value key={i} field={k} value={one} />) : <Value field={k} value={v} />}
          </dd>
        </div>
      ))}
    </dl>
  );
}
