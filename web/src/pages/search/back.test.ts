import { expect, test } from 'vitest';

import { back } from './back';

test('a duration as the address has it', () => {
  expect(['720h0m0s', '24h0m0s', '5m0s', '1h30m0s', '0s', '', undefined].map(back)).toEqual(['30d', '24h', '5m', '90m', '', '', '']);
});
