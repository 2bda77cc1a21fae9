import { Button, Center, Paper, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { useNavigate } from 'react-router';
import { call, Problem } from '../api/client';
import { Trouble } from '../components/parts';

function Frame({ title, children }: { title: string; children: ReactNode }): ReactNode {
  return <Center h="100vh"><Paper withBorder p="xl" w={380}><Title order={1} size="h3" mb="md">{title}</Title>{children}</Paper></Center>;
}

export function Login({ token }: { token: string }): ReactNode {
  const navigate = useNavigate();
  const client = useQueryClient();
  const [error, setError] = useState<Problem | null>(null);
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const used = useRef(false);
  const enter = (path: string, body: unknown): void => {
    call('POST', path, body)
      .then(() => client.resetQueries())
      .then(() => navigate('/', { replace: true }))
      .catch((e: unknown) => { setError(e instanceof Problem ? e : new Problem(0, String(e))); });
  };
  useEffect(() => {
    if (token === '' || used.current) return;
    used.current = true; // a link works once
    enter('/session/link', { token });
  });
  return (
    <Frame title="Holdfast">
      <form onSubmit={(e) => { e.preventDefault(); enter('/session/password', { user, password }); }}>
        <Stack>
          <TextInput label="User" value={user} onChange={(e) => { setUser(e.currentTarget.value); }} autoComplete="username" autoFocus />
          <PasswordInput label="Password" value={password} onChange={(e) => { setPassword(e.currentTarget.value); }} autoComplete="current-password" />
          <Button type="submit">Log in</Button>
          <Text size="xs" c="dimmed">The first login is by the one-time link that `holdfast up` prints.</Text>
          {error !== null && <Trouble error={error} />}
        </Stack>
      </form>
    </Frame>
  );
}

export function SetPassword({ user }: { user: string }): ReactNode {
  const client = useQueryClient();
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const [error, setError] = useState<Problem | null>(null);
  const set = (): void => {
    if (password !== again) {
      setError(new Problem(0, 'The two are not the same.'));
      return;
    }
    call('PUT', '/session/password', { new: password })
      .then(() => client.invalidateQueries())
      .catch((e: unknown) => { setError(e instanceof Problem ? e : new Problem(0, String(e))); });
  };
  return (
    <Frame title="Choose a password">
      <form onSubmit={(e) => { e.preventDefault(); set(); }}>
        <Stack>
          <Text size="sm">For {user}, at least 12 characters. The link you used works no more.</Text>
          <PasswordInput label="Password" value={password} onChange={(e) => { setPassword(e.currentTarget.value); }} autoComplete="new-password" autoFocus />
          <PasswordInput label="Once more" value={again} onChange={(e) => { setAgain(e.currentTarget.value); }} autoComplete="new-password" />
          <Button type="submit">Set password</Button>
          {error !== null && <Trouble error={error} />}
        </Stack>
      </form>
    </Frame>
  );
}
