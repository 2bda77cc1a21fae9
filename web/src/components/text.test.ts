import { expect, test } from 'vitest';
import { ago, balanced, bytes, term, visible } from './text';

test('hostile characters are shown, not obeyed', () => {
  expect(visible('a\u202eb\u0000c\nd')).toBe('a\\u202eb\\u0000c\nd');
  expect(visible('plain ä 日本')).toBe('plain ä 日本');
});

test('a term is read back by the search bar', () => {
  expect(term('src_ip', '192.0.2.7')).toBe('src_ip:192.0.2.7');
  expect(term('user', 'a b')).toBe('user:"a b"');
  expect(term('user', 'a"b\\')).toBe('user:"a\\"b\\\\"');
  expect(term('n', '>5')).toBe('n:">5"');
  expect(term('file', 'a*')).toBe('file:"a*"');
});

test('ages and sizes', () => {
  const now = Date.parse('2026-01-01T00:01:00Z');
  expect(ago('2026-01-01T00:00:30Z', now)).toBe('30 s ago');
  expect(ago('2026-01-01T01:01:00Z', now)).toBe('in 60 min');
  expect(ago(undefined, now)).toBe('never');
  expect(bytes(1536)).toBe('1.5 KiB');
});

test('the ledger adds up or does not', () => {
  expect(balanced({ received: 5, stored: 3, rejected: 1, dead_lettered: 1, waiting: 0 })).toBe(true);
  expect(balanced({ received: 5, stored: 3, rejected: 1, dead_lettered: 0, waiting: 0 })).toBe(false);
});
