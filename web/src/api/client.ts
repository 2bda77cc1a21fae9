import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { UseMutationResult, UseQueryResult } from '@tanstack/react-query';
import type { Open, QueryFault, Session } from './types';

// Problem is an error the server answered (RFC 9457, with our additions).
export class Problem extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly fault?: QueryFault,
    readonly open?: Open[],
  ) {
    super(message);
  }
}

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, credentials: 'same-origin', headers: { 'Content-Type': 'application/json', 'X-Holdfast': '1' } };
  if (body !== undefined) init.body = JSON.stringify(body);
  const resp = await fetch('/api/v1' + path, init).catch(() => {
    throw new Problem(0, 'The server cannot be reached. Is Holdfast running?');
  });
  const text = await resp.text();
  if (!resp.ok) {
    let p: { detail?: string; title?: string; fault?: QueryFault; open?: Open[] } = {};
    try {
      p = JSON.parse(text) as typeof p;
    } catch {
      p = { detail: resp.statusText };
    }
    throw new Problem(resp.status, p.detail ?? p.title ?? resp.statusText, p.fault, p.open);
  }
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

// useGet reads a path; the stream of changes makes it read again.
export function useGet<T>(path: string, enabled = true): UseQueryResult<T, Problem> {
  return useQuery<T, Problem>({ queryKey: [path], queryFn: () => call<T>('GET', path), enabled, retry: false, refetchInterval: 30_000 });
}

// useDo sends a change and has everything read again.
export function useDo<T = unknown>(method: string, path: string): UseMutationResult<T, Problem> {
  const client = useQueryClient();
  return useMutation<T, Problem, unknown>({ mutationFn: (body) => call<T>(method, path, body), onSettled: () => client.invalidateQueries() });
}

export function useSession(): UseQueryResult<Session, Problem> {
  return useGet<Session>('/session');
}
