import { ActionIcon, AppShell, Center, Group, Loader, Modal, NavLink, Stack, Text, Title, Tooltip, useMantineColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconActivity, IconAlertTriangle, IconBell, IconChecklist, IconFileCertificate, IconHelp, IconLogout, IconMoon, IconRefresh, IconSearch, IconServer, IconShield, IconTargetArrow, IconUsers } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { ReactNode } from 'react';
import { Link, Navigate, Route, Routes, useLocation, useNavigate } from 'react-router';
import { call, useSession } from './api/client';
import { AlertPage, Alerts } from './pages/alerts';
import { AssetPage, Assets } from './pages/assets';
import { Drills, EvidencePage, Users } from './pages/records';
import { Health } from './pages/health';
import { IncidentPage, Incidents } from './pages/incidents';
import { Login, SetPassword } from './pages/login';
import { Loop } from './pages/loop';
import { RequirementPage, Requirements } from './pages/requirements';
import { Search } from './pages/search';

const places = [
  { to: '/', key: 'l', label: 'Loop', icon: IconRefresh },
  { to: '/requirements', key: 'r', label: 'Requirements', icon: IconChecklist },
  { to: '/incidents', key: 'i', label: 'Incidents', icon: IconShield },
  { to: '/alerts', key: 'a', label: 'Alerts', icon: IconBell },
  { to: '/search', key: 's', label: 'Search', icon: IconSearch },
  { to: '/assets', key: 'h', label: 'Assets', icon: IconServer },
  { to: '/health', key: 'p', label: 'Pipeline health', icon: IconActivity },
  { to: '/drills', key: 'd', label: 'Drills', icon: IconTargetArrow },
  { to: '/evidence', key: 'e', label: 'Evidence', icon: IconFileCertificate },
  { to: '/users', key: 'u', label: 'Users', icon: IconUsers },
];

export function App(): ReactNode {
  const session = useSession();
  const { pathname, hash } = useLocation();
  if (pathname === '/login') return <Login token={new URLSearchParams(hash.slice(1)).get('token') ?? ''} />;
  if (session.isPending) return <Center h="100vh"><Loader /></Center>;
  if (session.error?.status === 401) return <Navigate to="/login" replace />;
  if (session.data?.must_set_password === true) return <SetPassword user={session.data.user} />;
  return <Shell />;
}

// useStream has what changed read again, as the server tells.
function useStream(): boolean {
  const client = useQueryClient();
  const [live, setLive] = useState(false);
  useEffect(() => {
    const s = new EventSource('/api/v1/stream');
    let due: ReturnType<typeof setTimeout> | undefined;
    s.onopen = () => { setLive(true); };
    s.onerror = () => { setLive(false); };
    s.addEventListener('change', () => {
      due ??= setTimeout(() => { due = undefined; void client.invalidateQueries(); }, 400);
    });
    return () => { s.close(); clearTimeout(due); };
  }, [client]);
  return live;
}

// useKeys moves about by keyboard: g and a letter, / for search, ? for help.
function useKeys(help: () => void): void {
  const navigate = useNavigate();
  useEffect(() => {
    let after = false;
    const on = (e: KeyboardEvent): void => {
      const t = e.target as HTMLElement;
      if (e.ctrlKey || e.metaKey || e.altKey || ['INPUT', 'TEXTAREA', 'SELECT'].includes(t.tagName)) return;
      if (after) {
        after = false;
        const p = places.find((x) => x.key === e.key);
        if (p !== undefined) void navigate(p.to);
      } else if (e.key === 'g') after = true;
      else if (e.key === '?') help();
      else if (e.key === '/') {
        e.preventDefault();
        void navigate('/search');
      }
    };
    window.addEventListener('keydown', on);
    return () => { window.removeEventListener('keydown', on); };
  }, [navigate, help]);
}

function Shell(): ReactNode {
  const { pathname } = useLocation();
  const session = useSession();
  const live = useStream();
  const { setColorScheme, colorScheme } = useMantineColorScheme();
  const [opened, { open, close }] = useDisclosure(false);
  useKeys(open);
  const dark = colorScheme === 'dark' || (colorScheme === 'auto' && window.matchMedia('(prefers-color-scheme: dark)').matches);
  const logout = (): void => { void call('DELETE', '/session').finally(() => { window.location.assign('/login'); }); };
  return (
    <AppShell navbar={{ width: 200, breakpoint: 0 }} padding="md">
      <AppShell.Navbar p="xs">
        <Group px="xs" py={6} justify="space-between"><Title order={1} size="h4">Holdfast</Title></Group>
        <Stack gap={0} style={{ flex: 1 }} component="nav" aria-label="Pages">
          {places.map((p) => <NavLink key={p.to} component={Link} to={p.to} label={p.label} leftSection={<p.icon size={16} />} active={p.to === '/' ? pathname === '/' : pathname.startsWith(p.to)} />)}
        </Stack>
        <Text size="xs" c={live ? 'dimmed' : 'orange'} px="xs" role="status">{live ? 'Live' : <><IconAlertTriangle size={12} /> Not connected; trying again</>}</Text>
        <Text size="xs" c="dimmed" px="xs">{session.data?.user} · {session.data?.roles.join(', ')}</Text>
        <Group px="xs" py={6} gap="xs">
          <Tooltip label="Dark or light"><ActionIcon variant="default" aria-label="Dark or light" onClick={() => { setColorScheme(dark ? 'light' : 'dark'); }}><IconMoon size={16} /></ActionIcon></Tooltip>
          <Tooltip label="Keys (?)"><ActionIcon variant="default" aria-label="Keys" onClick={open}><IconHelp size={16} /></ActionIcon></Tooltip>
          <Tooltip label="Log out"><ActionIcon variant="default" aria-label="Log out" onClick={logout}><IconLogout size={16} /></ActionIcon></Tooltip>
        </Group>
      </AppShell.Navbar>
      <AppShell.Main>
        <Routes>
          <Route path="/" element={<Loop />} />
          <Route path="/requirements" element={<Requirements />} />
          <Route path="/requirements/:id" element={<RequirementPage />} />
          <Route path="/incidents" element={<Incidents />} />
          <Route path="/incidents/:id" element={<IncidentPage />} />
          <Route path="/alerts" element={<Alerts />} />
          <Route path="/alerts/:id" element={<AlertPage />} />
          <Route path="/search" element={<Search />} />
          <Route path="/assets" element={<Assets />} />
          <Route path="/assets/:id" element={<AssetPage />} />
          <Route path="/health" element={<Health />} />
          <Route path="/drills" element={<Drills />} />
          <Route path="/evidence" element={<EvidencePage />} />
          <Route path="/users" element={<Users />} />
          <Route path="*" element={<Text>There is no such page. Choose one on the left.</Text>} />
        </Routes>
      </AppShell.Main>
      <Modal opened={opened} onClose={close} title="Keys">
        <Stack gap={4}>
          <Text size="sm">/ search · ? these keys · Esc closes</Text>
          {places.map((p) => <Text size="sm" key={p.to}>g {p.key}: {p.label}</Text>)}
        </Stack>
      </Modal>
    </AppShell>
  );
}
