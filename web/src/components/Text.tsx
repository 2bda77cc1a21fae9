import { useSyncExternalStore } from 'react';

import { pieces, relative } from './text';

/** Text from outside, with what cannot be seen named. */
export function Outside({ text }: { text: string }) {
  return (
    <bdi>
      {pieces(text).map((p, i) =>
        p.hidden ? (
          <span key={i} className="unseen" title="a character that cannot be seen">
            {p.text}
          </span>
        ) : (
          p.text
        ),
      )}
    </bdi>
  );
}

let now = Date.now();
function tick(changed: () => void): () => void {
  const t = setInterval(() => {
    now = Date.now();
    changed();
  }, 10_000);
  return () => clearInterval(t);
}

/** How long ago, with the exact time on hover. */
export function Ago({ at }: { at: string | undefined }) {
  const clock = useSyncExternalStore(tick, () => now);
  if (at === undefined || at.startsWith('0001-')) return <span className="dim">never</span>;
  return (
    <time dateTime={at} title={`${at} (${new Date(at).toLocaleString()})`} className="nowrap">
      {relative(at, Math.max(clock, Date.parse(at) > clock + 60_000 ? clock : Date.now()))}
    </time>
  );
}

/** The exact time, to the millisecond, in the reader's zone. */
export function Clock({ at }: { at: string }) {
  const d = new Date(at);
  const p = (n: number, w = 2) => String(n).padStart(w, '0');
  return (
    <time dateTime={at} title={at} className="mono nowrap">
      {`${p(d.getMonth() + 1)}-${p(d.getDate())} ${p(d.getHours())}:${p(d.getMinutes())}:${p(d.getSeconds())}.${p(d.getMilliseconds(), 3)}`}
    </time>
  );
}
