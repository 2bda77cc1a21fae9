// visible shows control characters and those that turn the reading direction,
// so that text from outside cannot pretend to be something else.
export function visible(s: string): string {
  // eslint-disable-next-line no-control-regex
  return s.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}

// term writes field:value as the search bar reads it.
export function term(field: string, value: string): string {
  const plain = /^[^\s"|()*?\\:]+$/.test(value) && !/^[<>]/.test(value);
  return field + ':' + (plain ? value : '"' + value.replace(/\\/g, '\\\\').replace(/"/g, '\\"') + '"');
}

export function ago(at: string | undefined, now: number): string {
  if (at === undefined || at.startsWith('0001')) return 'never';
  const s = (now - Date.parse(at)) / 1000;
  const abs = Math.abs(s);
  const t = abs < 60 ? `${Math.round(abs)} s` : abs < 3600 ? `${Math.round(abs / 60)} min` : abs < 172800 ? `${Math.round(abs / 3600)} h` : `${Math.round(abs / 86400)} d`;
  return s < -1 ? 'in ' + t : t + ' ago';
}

export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${n.toFixed(i === 0 ? 0 : 1)} ${units[i] ?? ''}`;
}

export function balanced(r: { received: number; stored: number; rejected: number; dead_lettered: number; waiting: number }): boolean {
  return r.received === r.stored + r.rejected + r.dead_lettered + r.waiting;
}
