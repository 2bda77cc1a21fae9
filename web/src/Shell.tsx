import { ActionIcon, Button, Modal, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import {
  IconActivityHeartbeat, IconBell, IconChecklist, IconCircleCheck, IconFileCertificate, IconFlame, IconFocus2, IconLoader2, IconMoon, IconPlugConnectedX, IconRefresh,
  IconRuler2, IconSearch, IconServer, IconSun, IconTargetArrow, IconUsers, type Icon,
} from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Link, NavLink, useLocation, useNavigate } from 'react-router';

import { api } from './api/client';
import { useSession } from './api/hooks';
import { useLive, type Live } from './api/live';
import { searchKeys } from './pages/search/keys';

interface Place { to: string; name: string; key: string; icon: Icon; gap?: boolean }

const places: Place[] = [
  { to: '/', name: 'Loop', key: 'l', icon: IconRefresh },
  { to: '/requirements', name: 'Requirements', key: 'r', icon: IconChecklist, gap: true },
  { to: '/assets', name: 'Assets', key: 'a', icon: IconServer },
  { to: '/rules', name: 'Rules', key: 'u', icon: IconRuler2, gap: true },
  { to: '/alerts', name: 'Alerts', key: 't', icon: IconBell },
  { to: '/incidents', name: 'Incidents', key: 'i', icon: IconFlame },
  { to: '/drills', name: 'Drills', key: 'd', icon: IconFocus2 },
  { to: '/search', name: 'Search', key: 's', icon: IconSearch, gap: true },
  { to: '/hunts', name: 'Hunts', key: 'n', icon: IconTargetArrow },
  { to: '/health', name: 'Health', key: 'h', icon: IconActivityHeartbeat },
  { to: '/evidence', name: 'Evidence', key: 'e', icon: IconFileCertificate, gap: true },
  { to: '/users', name: 'Users', key: 'p', icon: IconUsers },
];

/** The frame around every page: where one can go, whether it is live, who one is. */
export function Shell({ children }: { children: ReactNode }) {
  const live = useLive();
  const session = useSession();
  const client = useQueryClient();
  const [help, setHelp] = useState(false);
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('dark');
  useKeys(() => setHelp((h) => !h));

  useEffect(() => {
    main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [pathname]);

  const logOut = () => {
    void api.delete('/session').finally(() => {
      client.clear();
      window.location.assign('/login');
    });
  };

  return (
    <div className="shell">
      <a href="#main" className="skip">To the content</a>
      <nav className="nav" aria-label="Pages">
        <Link to="/" className="brand">
          <img src="/favicon.svg" width={22} height={22} alt="" /> Holdfast
        </Link>
        <ul>
          {places.map((p) => (
            <li key={p.to} className={p.gap ? 'gap' : ''}>
              <NavLink to={p.to} end={p.to === '/'}>
                <p.icon size={17} stroke={1.7} aria-hidden /> {p.name}
                <kbd aria-hidden>g {p.key}</kbd>
              </NavLink>
            </li>
          ))}
        </ul>
        <div className="who">
          <LiveMark live={live} />
          <div>
            <b>{session.user}</b> <span className="dim">{session.roles.join(', ')}</span>
          </div>
          <div className="tools">
            <ActionIcon variant="default" size="sm" aria-label="Dark or light" onClick={() => setColorScheme(scheme === 'dark' ? 'light' : 'dark')}>
              {scheme === 'dark' ? <IconSun size={14} /> : <IconMoon size={14} />}
            </ActionIcon>
            <Button size="compact-xs" variant="default" onClick={() => setHelp(true)}>Keys ?</Button>
            <Button size="compact-xs" variant="default" onClick={logOut}>Log out</Button>
          </div>
          <span className="dim">{session.version}</span>
        </div>
      </nav>
      <main id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
      <Modal opened={help} onClose={() => setHelp(false)} title="Keys" centered>
        <table>
          <tbody>
            <tr><td><kbd>/</kbd></td><td>Search</td></tr>
            <tr><td><kbd>?</kbd></td><td>These keys</td></tr>
            {places.map((p) => (
              <tr key={p.to}><td><kbd>g {p.key}</kbd></td><td>{p.name}</td></tr>
            ))}
            <tr><td><kbd>Enter</kbd></td><td>On a value: include, exclude, look up, copy</td></tr>
            {pathname === '/search' && searchKeys.map(([k, say]) => <tr key={say}><td><kbd>{k}</kbd></td><td>{say}</td></tr>)}
          </tbody>
        </table>
      </Modal>
    </div>
  );
}

function LiveMark({ live }: { live: Live }) {
  const [tone, Shape, say] = live === 'live' ? (['good', IconCircleCheck, 'Live'] as const) : live === 'lost' ? (['bad', IconPlugConnectedX, 'Not live; reconnecting'] as const) : (['quiet', IconLoader2, 'Connecting'] as const);
  return (
    <span className={`mark ${tone}`} role="status" style={{ justifySelf: 'start' }}>
      <Shape size={14} aria-hidden /> {say}
    </span>
  );
}

/** "g i" goes to incidents, "/" to the search bar, "?" shows the keys. */
function useKeys(help: () => void) {
  const navigate = useNavigate();
  const latest = useRef(help);
  useEffect(() => {
    latest.current = help;
  });
  useEffect(() => {
    let g = 0;
    const onKey = (e: KeyboardEvent) => {
      const on = e.target as HTMLElement;
      if (e.ctrlKey || e.metaKey || e.altKey || on.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(on.tagName)) return;
      if (e.key === '?') latest.current();
      else if (e.key === '/') {
        e.preventDefault();
        const bar = document.getElementById('query');
        if (bar) bar.focus();
        else void navigate('/search');
      } else if (e.key === 'g') g = e.timeStamp;
      else if (g > 0 && e.timeStamp - g < 1500) {
        g = 0;
        const to = places.find((p) => p.key === e.key)?.to;
        if (to) void navigate(to);
      }
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [navigate]);
}
