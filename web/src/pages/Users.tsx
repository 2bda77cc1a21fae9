import { Modal, MultiSelect, TextInput } from '@mantine/core';
import { useState } from 'react';

import { api, path } from '../api/client';
import { useDo, useGet, useSession } from '../api/hooks';
import type { List, Token, User } from '../api/types';
import { Mark } from '../components/Mark';
import { Do, Empty, Loaded, Page, Panel } from '../components/Page';
import { Ago } from '../components/Text';

const roles = ['architect', 'engineer', 'analyst', 'auditor'];

export default function Users() {
  const session = useSession();
  const users = useGet<List<User>>('/users');
  const tokens = useGet<List<Token>>('/tokens');
  const [name, setName] = useState('');
  const [chosen, setChosen] = useState<string[]>(['analyst']);
  const [label, setLabel] = useState('');
  const [secret, setSecret] = useState<{ title: string; text: string }>();
  const create = useDo(() => api.post<{ user: User; link: string }>('/users', { name, roles: chosen }), (out) => { setSecret({ title: `One-time link for ${out.user.name}`, text: out.link }); setName(''); });
  const change = useDo(({ user, disabled }: { user: string; disabled: boolean }) => api.patch(path`/users/${user}`, { disabled }));
  const issue = useDo((to: string) => api.post<{ token: Token; secret: string }>(to, { name: label }), (out) => { setSecret({ title: 'The token, shown only now', text: out.secret }); setLabel(''); });
  const revoke = useDo((id: string) => api.delete(path`/tokens/${id}`));
  const unnamed = label.trim() === '' ? 'Say first what it is for.' : undefined;
  return (
    <Page title="Users" say="Who may do what. Architects set requirements and users, engineers change hosts, analysts investigate, auditors read.">
      <Panel
        title="Users"
        tight
        tools={<>
          <TextInput aria-label="Name of a new user" placeholder="name" value={name} onChange={(e) => setName(e.currentTarget.value)} />
          <MultiSelect aria-label="Roles" size="xs" data={roles} value={chosen} onChange={setChosen} miw={200} />
          <Do effect="user.create" why={name === '' || chosen.length === 0 ? 'Give a name and a role first.' : undefined} loading={create.isPending} onClick={() => create.mutate()}>Create</Do>
        </>}
      >
        <Loaded of={users}>
          {({ items }) => (
            <table>
              <thead><tr><th>Name</th><th>Roles</th><th>State</th><th>Seen</th><th /></tr></thead>
              <tbody>{items.map((u) => (
                <tr key={u.name} className="hit">
                  <td><b>{u.name}</b>{u.name === session.user && <span className="dim"> you</span>}</td><td>{u.roles.join(', ')}</td>
                  <td>{u.disabled ? <Mark of="closed" label="disabled" /> : <Mark of="ok" label="active" />}</td><td><Ago at={u.seen} /></td>
                  <td className="right"><Do effect="user.change" variant="default" why={u.name === session.user ? 'Nobody can disable themselves.' : undefined} onClick={() => change.mutate({ user: u.name, disabled: !u.disabled })}>{u.disabled ? 'Enable' : 'Disable'}</Do></td>
                </tr>
              ))}</tbody>
            </table>
          )}
        </Loaded>
      </Panel>
      <Panel
        title="Your tokens"
        tight
        tools={<>
          <TextInput aria-label="What a new token is for" placeholder="what it is for" value={label} onChange={(e) => setLabel(e.currentTarget.value)} />
          <Do effect="token.create" why={unnamed} loading={issue.isPending} onClick={() => issue.mutate('/tokens')}>New API token</Do>
          <Do effect="input.token" why={unnamed} variant="default" loading={issue.isPending} onClick={() => issue.mutate('/inputs/tokens')}>New input token</Do>
        </>}
      >
        <Loaded of={tokens}>
          {({ items }) => items.length === 0 ? <Empty>None.</Empty> : (
            <table>
              <thead><tr><th>Kind</th><th>For</th><th>Made</th><th>Ends</th><th>Used</th><th /></tr></thead>
              <tbody>{items.map((t) => (
                <tr key={t.id} className="hit"><td>{t.kind}</td><td>{t.name ?? '–'}</td><td><Ago at={t.created} /></td><td><Ago at={t.expires} /></td><td><Ago at={t.seen} /></td>
                  <td className="right"><Do effect="token.delete" variant="default" onClick={() => revoke.mutate(t.id)}>Revoke</Do></td></tr>
              ))}</tbody>
            </table>
          )}
        </Loaded>
      </Panel>
      <Modal opened={secret !== undefined} onClose={() => setSecret(undefined)} title={secret?.title} centered>
        <pre className="raw" tabIndex={0}>{secret?.text}</pre>
        <p className="dim">Keep it now; it is not shown again.</p>
      </Modal>
    </Page>
  );
}
