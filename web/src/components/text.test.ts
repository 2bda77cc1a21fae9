import { describe, expect, it } from 'vitest';

import { bytes, narrow, pieces, relative, span, term } from './text';

describe('outside text', () => {
  it('names what cannot be seen', () => {
    expect(pieces('a\u202eb\u0000')).toEqual([
      { text: 'a', hidden: false },
      { text: 'U+202E', hidden: true },
      { text: 'b', hidden: false },
      { text: 'U+0000', hidden: true },
    ]);
  });
  it('leaves markup, newlines and letters of all scripts alone', () => {
    expect(pieces('<b>ш\n字</b>')).toEqual([{ text: '<b>ш\n字</b>', hidden: false }]);
  });
});

describe('terms', () => {
  it.each([
    ['source.ip', '192.0.2.7', 'source.ip:192.0.2.7'],
    ['user', 'a b', 'user:"a b"'],
    ['user', 'or', 'user:"or"'],
    ['src', '2001:db8::1', 'src:"2001:db8::1"'],
    ['m', 'say "x" \\', 'm:"say \\"x\\" \\\\"'],
    ['m', 'a*', 'm:"a*"'],
    ['m', '', 'm:""'],
  ])('%s %s', (f, v, want) => expect(term(f, v)).toBe(want));
  it.each([
    ['', 'a:b'],
    ['x:y', 'x:y a:b'],
    ['x:y or z:w', '(x:y or z:w) a:b'],
    ['x:"|" | take 5', 'x:"|" a:b | take 5'],
  ])('narrows %j', (q, want) => expect(narrow(q, 'a:b')).toBe(want));
});

it('finds the characters of a fault given in bytes', () => {
  expect(span('ш:x y', 3, 1)).toEqual([2, 3]);
});

it('says sizes and times', () => {
  expect(bytes(1536)).toBe('1.5 KiB');
  expect(relative('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:03:00Z'))).toBe('3m ago');
  expect(relative('0001-01-01T00:00:00Z', 0)).toBe('never');
});
