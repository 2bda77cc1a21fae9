import { expect, test } from '@playwright/test';

import { picture, readable, stands, watch } from './check';

const link = process.env.HOLDFAST_LOGIN ?? '';
const session = `${process.env.HOLDFAST_SHOTS ?? 'test-results'}/session.json`;
const password = 'a long enough password';

const pages = [
  ['/', 'The loop'], ['/requirements', 'Requirements'], ['/requirements/ssh-hard', 'ssh-hard'], ['/incidents', 'Incidents'], ['/alerts', 'Alerts'], ['/rules', 'Rules'], ['/search', 'Search'], ['/hunts', 'Hunts'],
  ['/assets', 'Assets'], ['/health', 'Pipeline health'], ['/drills', 'Drills'], ['/evidence', 'Evidence'], ['/users', 'Users'],
] as const;

test('a person logs in once by link, then by password, and finds every page', async ({ page, context }) => {
  test.setTimeout(300_000);
  const seen = watch(page, [401, 422]); // before the login, and what is refused on the way
  await page.goto(link);
  await expect(page.getByRole('heading', { name: 'Choose a password' })).toBeVisible();
  await readable(page, 'choosing a password');
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
      await stands(page, path);
      await picture(page, `${scheme}${path.replaceAll('/', '-')}`);
      if (scheme === 'light') await readable(page, path); // looks at both
    }
    await page.getByRole('button', { name: 'Dark or light' }).click();
  }
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible();
  await readable(page, 'the keys');
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: 'Log out' }).click();
  await expect(page.getByRole('button', { name: 'Log in' })).toBeVisible();
  await page.goto(link); // a link works once
  await expect(page.getByText('wrong name, password or token')).toBeVisible();
  await readable(page, 'logging in');
  await page.getByLabel('User').fill('admin');
  await page.getByRole('textbox', { name: 'Password' }).fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('heading', { name: 'The loop' })).toBeVisible();
  await context.storageState({ path: session });
  expect(seen).toEqual({ errors: [], outside: [] });
});

test('search points at a fault, moves by keyboard, and every value has its menu', async ({ browser }) => {
  const context = await browser.newContext({ storageState: session, viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.goto('/');
  await expect(page.getByRole('heading', { name: 'The loop' })).toBeVisible();
  await page.keyboard.press('/');
  await expect(page.getByRole('heading', { name: 'Search' })).toBeVisible();
  await page.getByLabel('Query').fill('events | wher x == 1');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toContainText('did you mean "where"?');
  await expect(page.locator('.fault')).toHaveText('wher');
  await readable(page, 'a fault in a query');
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

test('a search is saved and loaded again, and a list is hunted', async ({ browser }) => {
  const context = await browser.newContext({ storageState: session, viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.goto('/search?q=dataset%3Alinux.sshd&last=7d');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill('sshd');
  await readable(page, 'saving a search');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.goto('/search');
  await page.getByRole('button', { name: 'Saved searches' }).click();
  await page.getByRole('button', { name: 'Rule' }).click();
  await expect(page.getByRole('button', { name: 'Make it a rule' })).toBeVisible();
  await readable(page, 'saved searches');
  await page.getByRole('button', { name: 'sshd', exact: true }).click();
  await expect(page).toHaveURL(/q=dataset%3Alinux.sshd&last=7d/);

  await page.goto('/hunts');
  await page.getByLabel('The list').fill('nonsense');
  await page.getByRole('button', { name: 'Hunt', exact: true }).click();
  await expect(page.getByRole('alert')).toContainText('pasted:1: "nonsense" is no address');
  await page.getByLabel('The list').fill('198.51.100.99\nevil[.]example');
  await page.getByRole('button', { name: 'Hunt', exact: true }).click();
  await expect(page.getByText('None of the indicators was seen in this time.')).toBeVisible();
  await readable(page, 'a hunt');
  await page.getByRole('button', { name: 'Delete' }).click();
  await expect(page).toHaveURL(/\/hunts$/);
  await context.close();
});

test('pipeline health says what is wrong, who is blind for it, and how it is put right', async ({ browser }) => {
  const context = await browser.newContext({ storageState: session, viewport: { width: 1280, height: 800 }, permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  const seen = watch(page);
  await page.goto('/health');
  const wrong = page.locator('section').filter({ has: page.getByRole('heading', { name: 'What is wrong' }) });
  await expect(wrong).toContainText('syslog:tcp:127.0.0.1 has gone quiet');
  await expect(wrong).toContainText(/\d+ rules, \d+ of them get what they need from nowhere else/);
  await expect(wrong.getByRole('link', { name: 'ssh-hard' })).toBeVisible();
  const all = wrong.getByText(/^All \d+ rules$/);
  await all.focus();
  await page.keyboard.press('Enter');
  await expect(wrong.getByRole('link', { name: /passwords are being guessed/ }).first()).toBeVisible();
  await all.focus();
  await page.keyboard.press('Enter');

  const ledger = page.locator('section').filter({ has: page.getByRole('heading', { name: /^Ledger/ }) });
  await expect(ledger).toContainText('every source balances');
  const hours = ledger.getByRole('row').filter({ hasText: 'syslog:tcp' }).getByRole('button', { name: 'by the hour' });
  await hours.focus();
  await page.keyboard.press('Enter');
  await expect(hours).toHaveAttribute('aria-expanded', 'true');
  await expect(ledger.getByRole('columnheader', { name: 'Hour (UTC)' })).toBeVisible();

  await expect(page.getByRole('link', { name: 'search them' })).toHaveAttribute('href', /dataset%3Adeadletter/);
  const way = page.getByText('elastic', { exact: true });
  await way.scrollIntoViewIfNeeded();
  await way.click();
  await page.getByRole('button', { name: 'Copy a line that tries elastic' }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toContain('/elastic/_bulk');
  await expect(page.getByRole('heading', { name: 'Legal holds' })).toBeVisible();
  await stands(page, '/health');
  await readable(page, 'health, opened');
  for (const scheme of ['light', 'dark'] as const) {
    await picture(page, `health-${scheme}`, true);
    await page.getByRole('button', { name: 'Dark or light' }).click();
  }

  await wrong.getByRole('link', { name: 'alert', exact: true }).first().click();
  await expect(page.getByRole('heading', { name: 'Blind meanwhile' })).toBeVisible();
  await picture(page, 'health-alert', true);
  await page.goto('/health');
  await wrong.getByRole('button', { name: 'Mute…' }).first().click();
  await page.getByRole('textbox', { name: 'Why' }).fill('it is only a test');
  await page.getByRole('button', { name: 'Mute for a week' }).click();
  await expect(wrong).toContainText('Muted by admin');
  await wrong.getByRole('button', { name: 'End the mute' }).click();
  await expect(wrong).not.toContainText('Muted by admin');
  expect(seen).toEqual({ errors: [], outside: [] });
  await context.close();
});
