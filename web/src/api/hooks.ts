import { notifications } from '@mantine/notifications';
import { keepPreviousData, useMutation, useQuery, useQueryClient, type UseQueryResult } from '@tanstack/react-query';
import { createContext, useContext } from 'react';

import { api, Problem } from './client';
import type { Session } from './types';

/** Reads a path; the first word of it is the noun that the live stream names. */
export function useGet<T>(p: string, options: { enabled?: boolean; every?: number } = {}): UseQueryResult<T> {
  return useQuery<T>({
    queryKey: ['get', noun(p), p],
    queryFn: ({ signal }) => api.get<T>(p, signal),
    enabled: options.enabled ?? true,
    refetchInterval: options.every ?? false,
    placeholderData: keepPreviousData,
  });
}

export function noun(p: string): string {
  return p.split(/[/?]/)[1] ?? '';
}

/** Posts on somebody's click; says what went wrong, and is done when everything shown is read again. */
export function useDo<In = void, Out = unknown>(run: (input: In) => Promise<Out>, done?: (out: Out) => void, quiet = false) {
  const client = useQueryClient();
  return useMutation<Out, Error, In>({
    mutationFn: run,
    onSuccess: (out) => {
      done?.(out);
      return client.invalidateQueries({ queryKey: ['get'] });
    },
    onError: (error) => {
      if (!quiet) notifications.show({ color: 'red', title: error instanceof Problem && error.status === 403 ? 'Not allowed' : 'That did not work', message: error.message, autoClose: 12_000 });
      return client.invalidateQueries({ queryKey: ['get'] });
    },
  });
}

export const SessionContext = createContext<Session>({ user: '', roles: [], must_set_password: false, can: {}, version: '' });

export function useSession(): Session {
  return useContext(SessionContext);
}

const groups: [string[], string][] = [
  [['action.approve', 'action.reject', 'action.undo', 'action.accept', 'asset.enrol', 'asset.tag', 'input.token', 'search.schedule', 'health.mute', 'health.unmute'], 'engineers'],
  [['incident.grant', 'user.create', 'user.change'], 'architects'],
];

/** Why the one logged in may not do this, or undefined if they may. */
export function useDenied(effect: string): string | undefined {
  const { can, roles } = useSession();
  if (can[effect]) return undefined;
  const who = groups.find(([effects]) => effects.includes(effect))?.[1] ?? 'analysts and engineers';
  return `This is for ${who}; you are ${roles.join(', ') || 'without a role'}.`;
}
