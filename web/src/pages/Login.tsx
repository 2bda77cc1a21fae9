import { Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { Navigate, useLocation, useNavigate } from 'react-router';

import { api } from '../api/client';
import type { Session } from '../api/types';
import { Panel, Trouble } from '../components/Page';

export function Login({ session }: { session: Session | undefined }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const location = useLocation();
  const { hash } = location;
  const from = (location.state as { from?: string } | null)?.from ?? '/';
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const tried = useRef('');

  const run = (work: () => Promise<Session | undefined>) => {
    setBusy(true);
    setError(undefined);
    work()
      .then(async (s) => {
        if (s) client.setQueryData(['session'], s);
        await client.invalidateQueries({ queryKey: ['session'] });
      })
      .catch((e: unknown) => setError(e instanceof Error ? e : new Error(String(e))))
      .finally(() => setBusy(false));
  };
  useEffect(() => {
    document.title = 'Log in · Holdfast';
    // The token of a one-time link stands in the fragment, which no server
    // sees; it is taken out of the address at once, and used once.
    const token = new URLSearchParams(hash.slice(1)).get('token') ?? '';
    if (token === '' || tried.current === hash) return;
    tried.current = hash;
    window.history.replaceState(window.history.state, '', '/login');
    run(() => api.post<Session>('/session/link', { token }));
  });

  if (session && !session.must_set_password && !busy) return <Navigate to={from} replace />;
  const setting = session?.must_set_password ?? false;
  return (
    <main className="login">
      <p className="brand">
        <img src="/favicon.svg" width={26} height={26} alt="" /> Holdfast
      </p>
      <Panel title={setting ? 'Choose a password' : 'Log in'}>
        {error && <Trouble error={error} />}
        {setting ? (
          <form
            onSubmit={(e) => {
              e.preventDefault();
              run(async () => {
                await api.put('/session/password', { new: password });
                await client.invalidateQueries({ queryKey: ['session'] });
                void navigate(from);
                return undefined;
              });
            }}
          >
            <Stack gap="sm">
              <input type="text" name="username" autoComplete="username" value={session?.user ?? ''} readOnly hidden />
              <PasswordInput label="Password" description={`For ${session?.user ?? ''}, at least 12 characters. The link you used works no more.`} autoComplete="new-password" value={password} onChange={(e) => setPassword(e.currentTarget.value)} data-autofocus />
              <PasswordInput label="Once more" autoComplete="new-password" value={again} onChange={(e) => setAgain(e.currentTarget.value)} error={again !== '' && again !== password ? 'The two are not the same.' : undefined} />
              <Button type="submit" loading={busy} disabled={password === '' || password !== again}>Set password</Button>
            </Stack>
          </form>
        ) : (
          <form
            onSubmit={(e) => {
              e.preventDefault();
              run(() => api.post<Session>('/session/password', { user, password }));
            }}
          >
            <Stack gap="sm">
              <TextInput size="sm" label="User" autoComplete="username" value={user} onChange={(e) => setUser(e.currentTarget.value)} />
              <PasswordInput label="Password" autoComplete="current-password" value={password} onChange={(e) => setPassword(e.currentTarget.value)} />
              <Button type="submit" loading={busy} disabled={user === '' || password === ''}>Log in</Button>
              <span className="dim">No password yet? Open the one-time link that holdfast printed when it started, or ask an architect for one.</span>
            </Stack>
          </form>
        )}
      </Panel>
    </main>
  );
}
