import { describe, expect, it, test } from 'vitest';

import { bytes, middle, moment, narrow, narrowed, pieces, relative, sorted, span, term } from './text';

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

describe('moments', () => {
  it('are in the zone of the reader, with what there is of a second', () => {
    const local = new Date('2026-01-31T23:59:58Z');
    const day = `2026-${String(local.getMonth() + 1).padStart(2, '0')}-${String(local.getDate()).padStart(2, '0')}`;
    expect(moment('2026-01-31T23:59:58.000123Z')).toBe(`${day} ${String(local.getHours()).padStart(2, '0')}:${String(local.getMinutes()).padStart(2, '0')}:58.000123`);
    expect(moment('2026-01-31T23:59:58Z')).toMatch(/:58$/);
    expect(moment('soon')).toBe('soon');
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
    ['x:y OR z:w', '(x:y OR z:w) a:b'],
    ['x:"|" | take 5', 'x:"|" a:b | take 5'],
  ])('narrows %j', (q, want) => expect(narrow(q, 'a:b')).toBe(want));
  it.each([
    ['', 'a', 'b', false, 'a:b'],
    ['x:y | take 5', 'a', 'b c', true, 'x:y NOT a:"b c" | take 5'],
    ['events | take 5', 'a', 'b', false, 'events | where a == "b" | take 5'],
    ['', "it's \"odd\"] | <b>", 'x\ny', false, `events | where ['it\\'s "odd"] | <b>'] == "x\\ny"`],
    ['union (events), (events)', 'host.name', 'b', true, 'union (events), (events) | where host.name != "b"'],
    ['sql SELECT 1', 'a', 'b', false, 'a:b'],
  ])('narrows %j by %j:%j', (q, field, value, without, want) => expect(narrowed(q, field, value, without)).toBe(want));
  it.each([
    ['', 'events | sort by time desc'],
    ['a:b', 'a:b | sort by time desc'],
    ['sql SELECT 1', 'sql SELECT 1'],
    ['events | count | render card', 'events | count | render card'],
  ])('sorts %j', (q, want) => expect(sorted(q, 'time', true)).toBe(want));
});

it('finds the characters of a fault given in bytes', () => {
  expect(span('ш:x y', 3, 1)).toEqual([2, 3]);
});

it('says sizes and times', () => {
  expect(bytes(1536)).toBe('1.5 KiB');
  expect(relative('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:03:00Z'))).toBe('3m ago');
  expect(relative('0001-01-01T00:00:00Z', 0)).toBe('never');
});

test('a long text keeps its beginning and its end', () => {
  expect(middle('C:\\Windows\\explorer.exe', 27)).toBe('C:\\Windows\\explorer.exe');
  expect(middle('C:\\Program Files\\Office\\WINWORD.EXE', 27)).toBe('C:\\Progr…Office\\WINWORD.EXE');
  expect(middle(`a${'😀'.repeat(70_000)}b`, 9)).toBe(`a😀…${'😀'.repeat(5)}b`);
  expect(middle('x'.repeat(70_000), 27)).toHaveLength(27);
  expect(middle('', 5)).toBe('');
});
