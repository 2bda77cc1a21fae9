import { useState, useSyncExternalStore } from 'react';

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

const long = 1000;

/** Outside text that may be very long: the beginning, and all of it when asked for. */
export function Long({ text }: { text: string }) {
  const [all, setAll] = useState(false);
  if (text.length <= long + 200) return <Outside text={text} />;
  return (
    <>
      <Outside text={all ? text : `${text.slice(0, long)}…`} />{' '}
      <button type="button" className="more" aria-expanded={all} onClick={() => setAll(!all)}>
        {all ? 'Show less' : `Show all ${text.length.toLocaleString('en-US')} characters`}
      </button>
    </>
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
