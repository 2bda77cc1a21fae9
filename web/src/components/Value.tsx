import { Menu } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { IconCopy, IconFileSearch, IconFilter, IconFilterOff, IconServer } from '@tabler/icons-react';
import { useState } from 'react';
import { useLocation, useNavigate } from 'react-router';

import { useGet } from '../api/hooks';
import type { Asset, List } from '../api/types';
import { narrow, plain, term } from './text';
import { Outside } from './Text';

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

function Any({ field, value, href, clip, shown }: Props & { shown?: string | undefined }) {
  const [open, setOpen] = useState(false);
  const navigate = useNavigate();
  const { pathname, search } = useLocation();
  const text = plain(value);
  if (text === '') return <span className="dim">–</span>;

  const go = (q: string, keepRange: boolean) => {
    const params = new URLSearchParams(keepRange ? search : '');
    params.set('q', q);
    void navigate(`/search?${params.toString()}`);
  };
  const inSearch = pathname === '/search';
  const current = inSearch ? (new URLSearchParams(search).get('q') ?? '') : '';
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => notifications.show({ message: 'Copied.', autoClose: 1500 }),
      () => notifications.show({ color: 'red', message: 'The browser does not let this page copy.' }),
    );
  };
  const page = href ?? (field === 'asset' && text.startsWith('ast-') ? `/assets/${encodeURIComponent(text)}` : undefined);

  return (
    <Menu opened={open} onChange={setOpen} position="bottom-start" withinPortal shadow="md" width={260}>
      <Menu.Target>
        <button
          type="button"
          className={clip ? 'value clip' : 'value'}
          title={clip || shown ? text : `${field}: what to do with this value`}
          onContextMenu={(e) => {
            e.preventDefault();
            setOpen(true);
          }}
        >
          <Outside text={shown ?? text} />
        </button>
      </Menu.Target>
      {open && (
        <Menu.Dropdown>
          <Menu.Label>{field}{shown && ` ${text}`}</Menu.Label>
          <Menu.Item leftSection={<IconFilter size={15} />} onClick={() => go(narrow(current, term(field, text)), inSearch)}>
            Include in search
          </Menu.Item>
          <Menu.Item leftSection={<IconFilterOff size={15} />} onClick={() => go(narrow(current, `not ${term(field, text)}`), inSearch)}>
            Exclude from search
          </Menu.Item>
          <Menu.Item leftSection={<IconFileSearch size={15} />} onClick={() => go(entities.has(field) ? term(field, text) : JSON.stringify(text), false)}>
            Look up everywhere
          </Menu.Item>
          {page && (
            <Menu.Item leftSection={<IconServer size={15} />} onClick={() => void navigate(page)}>
              Open its page
            </Menu.Item>
          )}
          <Menu.Item leftSection={<IconCopy size={15} />} onClick={copy}>
            Copy
          </Menu.Item>
        </Menu.Dropdown>
      )}
    </Menu>
  );
}

/** The values of a row, each with its menu. */
export function Fields({ row }: { row: Record<string, unknown> }) {
  return (
    <dl className="fields">
      {Object.entries(row).map(([k, v]) => (
        <div key={k}>
          <dt>
            <Outside text={k} />
          </dt>
          <dd>
            {Array.isArray(v) ? (v as unknown[]).map((one, i) => <Value key={i} field={k} value={one} />) : <Value field={k} value={v} />}
          </dd>
        </div>
      ))}
    </dl>
  );
}
