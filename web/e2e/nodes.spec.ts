import { expect, test } from '@playwright/test';

import { picture, readable, stands, watch } from './check';

const link = process.env.HOLDFAST_LOGIN ?? '';
const password = 'a long enough password';

test('the health of a cluster names its nodes, which one answers, and which is gone', async ({ page }) => {
  const seen = watch(page, [401]); // before the login
  await page.goto(link);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByLabel('Once more').fill(password);
  await page.getByRole('button', { name: 'Set password' }).click();
  await expect(page.getByRole('heading', { name: 'The loop' })).toBeVisible();
  await page.goto('/health');
  const nodes = page.locator('section').filter({ has: page.getByRole('heading', { name: 'Nodes', exact: true }) });
  await expect(nodes.getByRole('listitem')).toHaveCount(3);
  const of = (role: string) => nodes.getByRole('listitem').filter({ hasText: role });
  await expect(of('serve')).toContainText('answers this page');
  await expect(of('serve')).toContainText('here');
  await expect(of('ingest')).toContainText('here');
  await expect(of('ingest')).not.toContainText('answers this page');
  await expect(of('detect')).toContainText('gone');
  const wrong = page.locator('section').filter({ has: page.getByRole('heading', { name: 'What is wrong' }) });
  await expect(wrong).toContainText(process.env.HOLDFAST_GONE ?? 'the node that is gone');
  await stands(page, '/health of a cluster');
  await readable(page, 'health of a cluster');
  for (let n = 0; n < 2; n++) {
    const scheme = (await page.locator('html').getAttribute('data-mantine-color-scheme')) ?? '';
    await nodes.scrollIntoViewIfNeeded();
    await picture(page, `nodes-${scheme}`, true);
    await page.getByRole('button', { name: 'Dark or light' }).click();
  }
  expect(seen).toEqual({ errors: [], outside: [] });
});
