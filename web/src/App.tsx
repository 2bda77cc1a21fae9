import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense } from 'react';
import { Navigate, Route, Routes, useLocation } from 'react-router';

import { api, Problem } from './api/client';
import { SessionContext } from './api/hooks';
import type { Session } from './api/types';
import { Empty, Trouble } from './components/Page';
import { Login } from './pages/Login';
import { Shell } from './Shell';

const LoopPage = lazy(() => import('./pages/Loop'));
const Requirements = lazy(() => import('./pages/Requirements'));
const Requirement = lazy(() => import('./pages/Requirement'));
const Incidents = lazy(() => import('./pages/Incidents'));
const Incident = lazy(() => import('./pages/Incident'));
const Alerts = lazy(() => import('./pages/Alerts'));
const Alert = lazy(() => import('./pages/Alert'));
const Search = lazy(() => import('./pages/Search'));
const Assets = lazy(() => import('./pages/Assets'));
const Asset = lazy(() => import('./pages/Asset'));
const Health = lazy(() => import('./pages/Health'));
const Drills = lazy(() => import('./pages/Drills'));
const Users = lazy(() => import('./pages/Users'));
const Evidence = lazy(() => import('./pages/Evidence'));
const Hunts = lazy(() => import('./pages/Hunts'));
const Rules = lazy(() => import('./pages/Rules'));

export function App() {
  const { pathname } = useLocation();
  const session = useQuery<Session>({ queryKey: ['session'], queryFn: () => api.get<Session>('/session'), refetchInterval: 60_000 });
  const out = session.error instanceof Problem && session.error.status === 401;

  if (pathname === '/login') return <Login session={out ? undefined : session.data} />;
  if (out) return <Navigate to="/login" state={{ from: pathname }} replace />;
  if (session.data?.must_set_password) return <Navigate to="/login" replace />;
  if (!session.data) {
    return session.error ? (
      <main>
        <Trouble error={session.error} again={() => void session.refetch()} />
      </main>
    ) : null;
  }
  return (
    <SessionContext.Provider value={session.data}>
      <Shell>
        <Suspense fallback={<div className="loading">Reading…</div>}>
          <Routes>
            <Route path="/" element={<LoopPage />} />
            <Route path="/requirements" element={<Requirements />} />
            <Route path="/requirements/:id" element={<Requirement />} />
            <Route path="/incidents" element={<Incidents />} />
            <Route path="/incidents/:id" element={<Incident />} />
            <Route path="/alerts" element={<Alerts />} />
            <Route path="/alerts/:id" element={<Alert />} />
            <Route path="/search" element={<Search />} />
            <Route path="/hunts" element={<Hunts />} />
            <Route path="/hunts/:id" element={<Hunts />} />
            <Route path="/assets" element={<Assets />} />
            <Route path="/assets/:id" element={<Asset />} />
            <Route path="/health" element={<Health />} />
            <Route path="/rules" element={<Rules />} />
            <Route path="/drills" element={<Drills />} />
            <Route path="/drills/:id" element={<Drills />} />
            <Route path="/users" element={<Users />} />
            <Route path="/evidence" element={<Evidence />} />
            <Route path="*" element={<Empty>There is no such page. The list on the left has all of them.</Empty>} />
          </Routes>
        </Suspense>
      </Shell>
    </SessionContext.Provider>
  );
}
