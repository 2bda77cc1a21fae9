import { expect, test } from '@playwright/test';

const link = process.env.HOLDFAST_LOGIN ?? '';
const shots = process.env.HOLDFAST_SHOTS ?? 'test-results';
const password = 'a long enough password';

const pages = [
  ['/', 'The loop'], ['/requirements', 'Requirements'], ['/requirements/ssh-hard', 'ssh-hard'], ['/incidents', 'Incidents'], ['/alerts', 'Alerts'], ['/search', 'Search'],
  ['/assets', 'Assets'], ['/health', 'Pipeline health'], ['/drills', 'Drills'], ['/evidence', 'Evidence'], ['/users', 'Users'],
] as const;

test('a person logs in once by link, then by password, and finds every page', async ({ page, context }) => {
  const errors: string[] = [];
  page.on('console', (m) => { if (m.type() === 'error' && !m.text().includes('401') && !m.text().includes('422')) errors.push(m.text()); });
  page.on('pageerror', (e) => errors.push(e.message));
  const outside: string[] = [];
  page.on('request', (r) => { if (!r.url().startsWith(process.env.HOLDFAST_URL ?? 'http://127') && !r.url().startsWith('data:')) outside.push(r.url()); });

  await page.goto(link);
  await expect(page.getByRole('heading', { name: 'Choose a password' })).toBeVisible();
  await page.getByLabel('Password', { exact: true }).fill('short');
  await page.getByLabel('Once more').fill('short');
  await page.getByRole('button', { name: 'Set password' }).click();
  await expect(page.getByText('a password has 12 to 256 bytes')).toBeVisible();
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByLabel('Once more').fill(password);
  await page.getByRole('button', { name: 'Set password' }).click();
  await expect(page.getByRole('heading', { name: 'The loop' })).toBeVisible();

  for (const scheme of ['light', 'dark'] as const) {
    for (const [path, title] of pages) {
      await page.goto(path);
      await expect(page.getByRole('heading', { name: title, exact: false }).first()).toBeVisible();
      await page.waitForLoadState('load');
      await expect(page.getByText('Reading…')).toHaveCount(0);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(wide, path + ' scrolls sideways').toBeLessThanOrEqual(0);
      await page.screenshot({ path: `${shots}/${scheme}${path.replaceAll('/', '-')}.png` });
    }
    await page.getByRole('button', { name: 'Dark or light' }).click();
  }

  await page.getByRole('button', { name: 'Log out' }).click();
  await expect(page.getByRole('button', { name: 'Log in' })).toBeVisible();
  await page.goto(link); // a link works once
  await expect(page.getByText('wrong name, password or token')).toBeVisible();
  await page.getByLabel('User').fill('admin');
  await page.getByRole('textbox', { name: 'Password' }).fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('heading', { name: 'The loop' })).toBeVisible();
  await context.storageState({ path: `${shots}/session.json` });
  expect(errors).toEqual([]);
  expect(outside).toEqual([]);
});

test('search points at a fault, moves by keyboard, and every value has its menu', async ({ browser }) => {
  const context = await browser.newContext({ storageState: `${shots}/session.json`, viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.goto('/');
  await expect(page.getByRole('heading', { name: 'The loop' })).toBeVisible();
  await page.keyboard.press('/');
  await expect(page.getByRole('heading', { name: 'Search' })).toBeVisible();
  await page.getByLabel('Query').fill('events | wher x == 1');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toContainText('did you mean "where"?');
  await expect(page.locator('.fault')).toHaveText('wher');
  await page.getByLabel('Query').fill('events | summarize n=count() by dataset');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toHaveCount(0);
  await page.goto('/assets');
  await page.getByRole('link', { name: /./ }).and(page.locator('table a')).first().click();
  await expect(page.getByRole('heading', { name: 'Checks' })).toBeVisible();
  await page.reload(); // a page of its own survives being read again
  await expect(page.getByRole('heading', { name: 'Checks' })).toBeVisible();
  await page.goto('/assets');
  const value = page.locator('.value').first();
  await value.focus();
  await page.keyboard.press('Enter');
  for (const item of ['Include', 'Exclude', 'Look up', 'Copy']) await expect(page.getByRole('menuitem', { name: item })).toBeVisible();
  await page.getByRole('menuitem', { name: 'Include' }).click();
  await expect(page).toHaveURL(/\/search\?q=asset/);
  await context.close();
});
