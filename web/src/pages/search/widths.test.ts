import { expect, test } from 'vitest';

import { least, most, widthsOf } from './widths';

test('widths that the browser kept are read as far as they make sense', () => {
  expect([...widthsOf('[["host.name",200],["__proto__",90],["wide",99999],["narrow",-1],["text","x"],[1,2],"no",["none",null]]')]).toEqual([['host.name', 200], ['__proto__', 90], ['wide', most], ['narrow', least]]);
  for (const odd of [null, '', '{', '{"a":1}', '7', 'null']) expect(widthsOf(odd).size).toBe(0);
  expect(widthsOf(JSON.stringify(Array.from({ length: 1000 }, (_, i) => [`c${i}`, 100]))).size).toBe(200);
});
