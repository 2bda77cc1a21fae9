import type { Open, QueryFault } from './types';

/** A refusal or failure, as RFC 9457 has it, with what Holdfast adds. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly fault?: QueryFault,
    readonly open?: Open[],
  ) {
    super(message);
    this.name = 'Problem';
  }
}

interface ProblemBody {
  title?: string;
  detail?: string;
  errors?: { message: string; location?: string }[];
  fault?: QueryFault;
  open?: Open[];
}

const prefix = '/api/v1';

async function ask(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json', 'X-Holdfast': '1' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  try {
    return await fetch(prefix + path, { method, headers, body: body === undefined ? null : JSON.stringify(body), signal: signal ?? null });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new Problem(0, 'The server does not answer. Is holdfast running? This page tries again by itself.');
  }
}

async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const answer = await ask(method, path, body, signal);
  const text = await answer.text();
  if (!answer.ok) throw problem(answer.status, text);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** Posts, and hands on the lines of the answer as they come. Aborting ends it on the server too. */
export async function lines(p: string, body: unknown, line: (text: string) => void, signal: AbortSignal): Promise<void> {
  const answer = await ask('POST', p, body, signal);
  if (!answer.ok || !answer.body) throw problem(answer.status, await answer.text());
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const parts = (rest + value).split('\n');
    rest = parts.pop() ?? '';
    for (const one of parts) if (one !== '') line(one);
  }
  if (rest !== '') line(rest);
}

/** Posts, and gives the answer as a file. */
export async function file(p: string, body: unknown, signal?: AbortSignal): Promise<Blob> {
  const answer = await ask('POST', p, body, signal);
  if (!answer.ok) throw problem(answer.status, await answer.text());
  return answer.blob();
}

function problem(status: number, text: string): Problem {
  let body: ProblemBody = {};
  try {
    body = JSON.parse(text) as ProblemBody;
  } catch {
    // Not JSON: a proxy in between. The status has to do.
  }
  const details = (body.errors ?? []).map((e) => [e.location, e.message].filter(Boolean).join(': '));
  const message = [body.detail ?? body.title ?? `The server answered ${status}.`, ...details].join('; ');
  return new Problem(status, message, body.fault, body.open);
}

/** Makes a path of fixed words and outside values: each value is escaped. */
export function path(strings: TemplateStringsArray, ...values: string[]): string {
  return strings.reduce((all, s, i) => all + encodeURIComponent(values[i - 1] ?? '') + s);
}

/** A query string of the values that are set. */
export function params(values: Record<string, string | number | undefined>): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(values)) if (v !== undefined && v !== '') q.set(k, String(v));
  const s = q.toString();
  return s === '' ? '' : `?${s}`;
}

export const api = {
  get: <T>(p: string, signal?: AbortSignal) => call<T>('GET', p, undefined, signal),
  post: <T>(p: string, body: unknown = {}, signal?: AbortSignal) => call<T>('POST', p, body, signal),
  put: <T>(p: string, body: unknown) => call<T>('PUT', p, body),
  patch: <T>(p: string, body: unknown) => call<T>('PATCH', p, body),
  delete: (p: string) => call<undefined>('DELETE', p),
};
