import { expect, test } from '@playwright/test';

import { stands, watch } from './check';

const password = 'a long enough password';

test('what a sender made to be more than text is shown as text, and nothing of it runs', async ({ page }) => {
  test.setTimeout(120_000);
  const seen = watch(page, [401]);
  page.on('dialog', (d) => seen.errors.push(`a dialog: ${d.message()}`));
  await page.goto(process.env.HOLDFAST_LOGIN ?? '');
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByLabel('Once more').fill(password);
  await page.getByRole('button', { name: 'Set password' }).click();
  await expect(page.getByRole('heading', { name: 'The loop' })).toBeVisible();

  // Each with a text of it that is to stand there; how a page opens an event is its own matter.
  for (const [word, text] of [
    ['hostilehttp0', 'DROP TABLE events'], ['hostilehttp2', 'hostilehttp2'], ['hostilehttp3', '<img src=x onerror='], ['hostilehttp4', '</script><script>window.struck=1</script>'],
    ['hostilehttp5', 'hostilehttp5'], ['hostilehttp8', 'kkkk'], ['hostileelastic3', '<img src=x'],
  ] as const) {
    for (const q of [`raw:*${word}*`, `raw:*${word}* | project id, fields, raw`]) {
      await page.goto(`/search?q=${encodeURIComponent(q)}`);
      await stands(page, word);
      await expect(page.locator('tr.hit').first()).toBeVisible();
      const open = page.getByRole('button', { name: 'Show the whole event' }).first();
      if (await open.isVisible()) await open.click();
      await expect(page.getByText(text, { exact: false }).first()).toBeAttached();
      await stands(page, `${word}, opened`);
      expect(await page.evaluate(() => [(window as unknown as { struck?: number }).struck, document.querySelectorAll('img[src="x"]').length])).toEqual([undefined, 0]);
    }
  }
  await page.goto('/health'); // dead letters, and why they are
  await stands(page, 'health');
  expect(seen).toEqual({ errors: [], outside: [] });
});
