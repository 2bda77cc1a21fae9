/** Outside text, made safe to look at: what cannot be seen is named. */

export interface Piece {
  text: string;
  hidden: boolean;
}

// C0 and C1 controls but newline and tab; bidi marks, embeddings, overrides and isolates; zero-width characters; separators; tags.
// eslint-disable-next-line no-control-regex -- finding them is the point
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/u;

/** Splits text into what can be shown as it is and what must be named. */
export function pieces(s: string): Piece[] {
  const out: Piece[] = [];
  for (const c of s) {
    const hidden = unseen.test(c);
    const text = hidden ? name(c) : c;
    const last = out.at(-1);
    if (last && !last.hidden && !hidden) last.text += text;
    else out.push({ text, hidden });
  }
  return out;
}

function name(c: string): string {
  return `U+${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** Any JSON value as one line of text. */
export function plain(v: unknown): string {
  if (v === null || v === undefined) return '';
  if (typeof v === 'string') return v;
  if (typeof v === 'number' || typeof v === 'boolean') return String(v);
  return JSON.stringify(v);
}

/** A long text without its middle: of paths and addresses the end tells most. */
export function middle(s: string, most: number): string {
  const all = Array.from(s.length > 6 * most ? s.slice(0, 2 * most) + s.slice(-2 * most) : s); // by whole characters
  if (all.length <= most) return s;
  const start = Math.floor((most - 1) / 3);
  return `${all.slice(0, start).join('')}…${all.slice(start + 1 - most).join('')}`;
}

/** One field:value term; quoted where the language needs it. */
export function term(field: string, value: string): string {
  return `${field}:${bare.test(value) && !words.has(value.toLowerCase()) ? value : quote(value)}`;
}

const bare = /^[A-Za-z0-9_.@/-]+$/;
const words = new Set(['and', 'or', 'not']);

function quote(s: string): string {
  return `"${s.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')}"`;
}

const plainField = /^[A-Za-z_@][A-Za-z0-9_.@-]*$/;

/** A field's name as KQL reads it: in brackets unless it is plain. */
export function column(field: string): string {
  return plainField.test(field) && !field.includes('-') && !field.includes('@') ? field : `['${field.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')}']`;
}

/** A query narrowed to, or without, a value of a field, whatever the two hold. */
export function narrowed(q: string, field: string, value: string, without = false): string {
  const at = pipe(q);
  const head = (at < 0 ? q : q.slice(0, at)).trim();
  const tail = at < 0 ? '' : ` ${q.slice(at)}`;
  const step = `| where ${column(field)} ${without ? '!=' : '=='} ${quote(value)}`;
  if (/^sql\b/i.test(head)) return narrowed('', field, value, without);
  if (/^(let|union|datatable)\b/i.test(head) || head.startsWith('(')) return `${q.trim()} ${step}`;
  if (/^events$/i.test(head)) return `${head} ${step}${tail}`;
  if (!plainField.test(field)) return `${head === '' || head === '*' ? 'events' : head} ${step}${tail}`;
  return narrow(q, without ? `NOT ${term(field, value)}` : term(field, value));
}

/** A query whose answer is sorted by a column; one that cannot be is left as it is. */
export function sorted(q: string, by: string, desc: boolean): string {
  if (/^\s*sql\b/i.test(q) || /\|\s*render\b/i.test(q)) return q;
  return `${q.trim() === '' ? 'events' : q} | sort by ${column(by)} ${desc ? 'desc' : 'asc'}`;
}

/** Adds a term to a query before its pipe; an empty one starts with it. */
export function narrow(q: string, add: string): string {
  const at = pipe(q);
  const [head, tail] = at < 0 ? [q.trim(), ''] : [q.slice(0, at).trim(), q.slice(at)];
  if (head === '' || head === '*') return add + (tail && ` ${tail}`);
  const start = /\s+OR\s+/.test(head) ? `(${head})` : head;
  return `${start} ${add}${tail && ` ${tail}`}`;
}

/** The place of the first pipe outside quotes, or -1. */
function pipe(q: string): number {
  let quoted = '';
  for (let i = 0; i < q.length; i++) {
    const c = q.charAt(i);
    if (quoted !== '') {
      if (c === '\\') i++;
      else if (c === quoted) quoted = '';
    } else if (c === '"' || c === "'") quoted = c;
    else if (c === '|') return i;
  }
  return -1;
}

/** Turns a span of UTF-8 bytes into one of JavaScript's characters. */
export function span(s: string, pos: number, len: number): [number, number] {
  const bytes = new TextEncoder().encode(s);
  const read = new TextDecoder();
  const start = read.decode(bytes.slice(0, pos)).length;
  return [start, start + read.decode(bytes.slice(pos, pos + len)).length];
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function bytes(n: number): string {
  let u = 0;
  while (n >= 1024 && u < units.length - 1) {
    n /= 1024;
    u++;
  }
  return `${u === 0 || n >= 100 ? n.toFixed(0) : n.toFixed(1)} ${units[u] ?? ''}`;
}

/** A time of an answer in the reader's zone, as all others on the page; of its second no more than there is. */
export function moment(at: string): string {
  const d = new Date(at);
  if (Number.isNaN(d.getTime())) return at;
  const p = (n: number, w = 2) => String(n).padStart(w, '0');
  return `${d.getFullYear()}-${p(d.getMonth() + 1)}-${p(d.getDate())} ${p(d.getHours())}:${p(d.getMinutes())}:${p(d.getSeconds())}${/\.\d+/.exec(at)?.[0] ?? ''}`;
}

export function count(n: number): string {
  return n.toLocaleString('en-US');
}

/** Nanoseconds as people say them. */
export function took(ns: number): string {
  const ms = ns / 1e6;
  if (ms < 1) return `${(ns / 1e3).toFixed(0)} µs`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${(ms / 60_000).toFixed(1)} min`;
}

/** "3m ago", "in 12m"; the zero time is no time. */
export function relative(at: string | undefined, now: number): string {
  if (at === undefined || at.startsWith('0001-')) return 'never';
  const s = Math.round((now - Date.parse(at)) / 1000);
  const d = Math.abs(s);
  const [n, unit] = d < 60 ? [d, 's'] : d < 3600 ? [Math.round(d / 60), 'm'] : d < 172_800 ? [Math.round(d / 3600), 'h'] : [Math.round(d / 86_400), 'd'];
  if (d < 5) return 'now';
  return s > 0 ? `${n}${unit} ago` : `in ${n}${unit}`;
}
