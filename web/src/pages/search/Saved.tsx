import { Button, Checkbox, Group, Modal, NumberInput, Select, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useState } from 'react';
import { useSearchParams } from 'react-router';

import { api, path } from '../../api/client';
import { useDo, useGet, useSession } from '../../api/hooks';
import type { List, SavedSearch } from '../../api/types';
import { Do, Empty, Loaded } from '../../components/Page';
import { Ago, Outside } from '../../components/Text';
import { back } from './back';

/** The searches that are kept: load one, save this one, share a link, make one a rule. Stands on the Search page. */
export function Saved() {
  const [url] = useSearchParams();
  const [open, setOpen] = useState<'list' | 'save' | null>(null);
  const close = () => setOpen(null);
  const share = () => {
    navigator.clipboard.writeText(window.location.href).then(
      () => notifications.show({ message: 'The link to this search is copied.', autoClose: 2000 }),
      () => notifications.show({ color: 'red', message: 'The browser does not let this page copy; the link is the page’s address.' }),
    );
  };
  return (
    <Group gap={6}>
      <Button size="compact-sm" variant="default" onClick={() => setOpen('list')}>Saved searches</Button>
      <Do effect="search.save" variant="default" why={url.get('q') ? undefined : 'Search for something first.'} onClick={() => setOpen('save')}>Save</Do>
      <Button size="compact-sm" variant="default" onClick={share}>Copy link</Button>
      {open === 'list' && <Choose onClose={close} />}
      {open === 'save' && <Save q={url.get('q') ?? ''} last={url.get('last')} onClose={close} />}
    </Group>
  );
}

function Save({ q, last, onClose }: { q: string; last: string | null; onClose: () => void }) {
  const [name, setName] = useState('');
  const [title, setTitle] = useState('');
  const [shared, setShared] = useState(false);
  const save = useDo(() => api.put<SavedSearch>(path`/searches/${name}`, { query: q, title, shared, last: last ?? '0s' }), onClose);
  const wrong = name !== '' && !/^[a-z0-9][a-z0-9._-]{0,99}$/.test(name);
  return (
    <Modal opened onClose={onClose} title="Save this search" centered>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          save.mutate();
        }}
      >
        <p className="mono"><Outside text={q} /></p>
        <TextInput data-autofocus label="Name" description="Small letters, digits and hyphens: failed-logins. Your own of that name is replaced." error={wrong && 'Write it as failed-logins.'} value={name} onChange={(e) => setName(e.currentTarget.value)} />
        <TextInput label="Title" maxLength={200} value={title} onChange={(e) => setTitle(e.currentTarget.value)} />
        <Checkbox mt="sm" label="Everybody sees it" checked={shared} onChange={(e) => setShared(e.currentTarget.checked)} />
        <Group mt="md" justify="flex-end">
          <Button variant="default" onClick={onClose}>Cancel</Button>
          <Button type="submit" disabled={name === '' || wrong} loading={save.isPending}>Save</Button>
        </Group>
      </form>
    </Modal>
  );
}

function Choose({ onClose }: { onClose: () => void }) {
  const list = useGet<List<SavedSearch>>('/searches?limit=1000');
  const [, setUrl] = useSearchParams();
  const [rule, setRule] = useState<string | null>(null);
  const load = (s: SavedSearch) => {
    setUrl(() => {
      const next = new URLSearchParams({ q: s.query });
      const last = back(s.last);
      if (last) next.set('last', last);
      return next;
    });
    onClose();
  };
  return (
    <Modal opened onClose={onClose} title="Saved searches" size="xl" centered>
      <Loaded of={list}>
        {({ items }) => items.length === 0 ? <Empty>Nothing is saved yet. Search for something, then press Save.</Empty> : (
          <table>
            <thead><tr><th>Name</th><th>Query</th><th>Of</th><th>Rule</th><th aria-label="What can be done" /></tr></thead>
            <tbody>
              {items.map((s) => <One key={s.name} of={s} onLoad={() => load(s)} ruling={rule === s.name} onRule={() => setRule(rule === s.name ? null : s.name)} />)}
            </tbody>
          </table>
        )}
      </Loaded>
    </Modal>
  );
}

function One({ of: s, onLoad, ruling, onRule }: { of: SavedSearch; onLoad: () => void; ruling: boolean; onRule: () => void }) {
  const { user } = useSession();
  const remove = useDo(() => api.delete(path`/searches/${s.name}`));
  return (
    <>
      <tr className="hit">
        <td><Button size="compact-xs" variant="subtle" onClick={onLoad}>{s.name}</Button>{s.title && <div className="dim"><Outside text={s.title} /></div>}</td>
        <td className="mono"><Outside text={s.query.slice(0, 200)} /></td>
        <td><Outside text={s.owner} />{s.shared ? '' : ' (private)'}</td>
        <td>{s.rule ? <>every {back(s.rule.every)}{s.runs?.fault ? <b> fails</b> : ''}</> : '–'}</td>
        <td className="nowrap">
          <Button size="compact-xs" variant="default" aria-expanded={ruling} onClick={onRule}>Rule</Button>{' '}
          <Do effect="search.delete" size="compact-xs" variant="default" why={s.owner === user && !s.rule ? undefined : s.rule ? 'It is a rule; end the rule first.' : `It is ${s.owner}’s.`} onClick={() => remove.mutate()}>Delete</Do>
        </td>
      </tr>
      {ruling && <tr><td colSpan={5}><Rule of={s} /></td></tr>}
    </>
  );
}

const levels = ['informational', 'low', 'medium', 'high', 'critical'];

/** What makes a search a rule, and how it runs. */
function Rule({ of: s }: { of: SavedSearch }) {
  const r = s.rule;
  const [every, setEvery] = useState(back(r?.every) || '5m');
  const [window, setWindow] = useState(back(r?.window) || '');
  const [threshold, setThreshold] = useState<number | string>(r?.threshold ?? 1);
  const [by, setBy] = useState(r?.group_by ?? '');
  const [level, setLevel] = useState<string>(r?.level ?? 'medium');
  const [attack, setAttack] = useState((r?.attack ?? []).join(' '));
  const [throttle, setThrottle] = useState(back(r?.throttle) || '');
  const set = useDo(() => api.put(path`/searches/${s.name}/rule`, {
    every, window: window || '0s', threshold: Number(threshold), group_by: by, level, attack: attack.split(/[\s,]+/).filter(Boolean), throttle: throttle || '0s',
  }));
  const end = useDo(() => api.delete(path`/searches/${s.name}/rule`));
  return (
    <>
      {r && s.runs && (
        <p>
          {s.runs.runs} runs, {s.runs.alerts} alerts, {s.runs.throttled} held back; looked at what came in until <Ago at={s.runs.at} />.
          {s.runs.note && <> <Outside text={s.runs.note} /></>}
          {s.runs.fault && <b> It cannot be run: <Outside text={s.runs.fault} />. Nothing is lost: what came in since is looked at when it can.</b>}
        </p>
      )}
      <form
        onSubmit={(e) => {
          e.preventDefault();
          set.mutate();
        }}
      >
        <Group align="end" gap={8}>
          <TextInput label="Every" w={80} value={every} onChange={(e) => setEvery(e.currentTarget.value)} />
          <TextInput label="Counted over" w={110} placeholder={every} value={window} onChange={(e) => setWindow(e.currentTarget.value)} />
          <NumberInput label="Rows" w={90} min={1} value={threshold} onChange={setThreshold} />
          <TextInput label="For each" w={150} placeholder="source.ip" value={by} onChange={(e) => setBy(e.currentTarget.value)} />
          <Select label="Level" w={140} allowDeselect={false} data={levels} value={level} onChange={(v) => setLevel(v ?? 'medium')} />
          <TextInput label="ATT&CK" w={110} placeholder="T1110.001" value={attack} onChange={(e) => setAttack(e.currentTarget.value)} />
          <TextInput label="Not again for" w={110} placeholder="1h" value={throttle} onChange={(e) => setThrottle(e.currentTarget.value)} />
          <Do effect="search.schedule" loading={set.isPending} onClick={() => set.mutate()}>{r ? 'Change the rule' : 'Make it a rule'}</Do>
          {r && <Do effect="search.schedule" variant="default" onClick={() => end.mutate()}>End the rule</Do>}
        </Group>
      </form>
    </>
  );
}
