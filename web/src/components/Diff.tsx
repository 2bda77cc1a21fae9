import { Outside } from './Text';

/** A unified diff, line by line; the sign stays, so colour is not needed. */
export function Diff({ text }: { text: string }) {
  return (
    <pre className="diff" tabIndex={0} aria-label="the exact change">
      {text
        .replace(/\n$/, '')
        .split('\n')
        .map((line, i) => (
          <span key={i} className={kind(line)}>
            <Outside text={line} />
            {'\n'}
          </span>
        ))}
    </pre>
  );
}

function kind(line: string): string {
  if (line.startsWith('+++') || line.startsWith('---') || line.startsWith('@@')) return 'head';
  if (line.startsWith('+')) return 'add';
  if (line.startsWith('-')) return 'del';
  return '';
}
