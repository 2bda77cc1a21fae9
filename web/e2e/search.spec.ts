import { expect as base, test, type BrowserContext, type Page } from '@playwright/test';

import { picture, readable, stands, watch } from './check';
import { evening, hostile, send, started } from './seed';

const session = `${process.env.HOLDFAST_SHOTS ?? 'test-results'}/session.json`;
const rows = (page: Page) => page.locator('table.events tr[data-row]');
const bar = (page: Page) => page.getByLabel('Query');

async function open(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await expect(page.getByRole('heading', { name: 'Search' })).toBeVisible();
}

/** Runs a search and waits for its end. */
async function find(page: Page, q: string): Promise<void> {
  await bar(page).fill(q);
  await page.keyboard.press('Control+Enter');
  await expect(page).toHaveURL((u) => u.searchParams.get('q') === q);
  await expect(page.getByRole('status').filter({ hasText: / in \d+ ms/ })).toBeVisible();
}

test.describe.configure({ mode: 'serial', timeout: 300_000 });
const expect = base.configure({ timeout: 30_000 });
let context: BrowserContext;
let page: Page;
let seen: ReturnType<typeof watch>;

test.beforeAll(async ({ browser }) => {
  context = await browser.newContext({ storageState: session, viewport: { width: 1280, height: 800 }, permissions: ['clipboard-read', 'clipboard-write'] });
  page = await context.newPage();
  seen = watch(page, [404, 422]);
  const there = async () => {
    const r = await context.request.post('/api/v1/query', { headers: { 'X-Holdfast': '1' }, data: { q: "events | where source == 'http:console' or source == 'http:seed' | count" } });
    return ((await r.json()) as { rows: number[][] }).rows[0]?.[0] ?? 0;
  };
  if ((await there()) === 0) await send(context.request, [...evening(Date.now()), hostile]);
  await expect.poll(there, { timeout: 60_000 }).toBeGreaterThanOrEqual(307);
});

test.afterAll(async () => {
  expect(seen).toEqual({ errors: [], outside: [] });
  await context.close();
});

test('the bar completes fields, values and stages from the keyboard, and remembers', async () => {
  await open(page, '/search?limit=5'); // few rows: axe looks at each
  const offer = page.getByRole('listbox', { name: 'What may stand here' });
  await bar(page).pressSequentially('datas');
  await expect(offer.getByRole('option').first()).toContainText('dataset:');
  await expect(offer.getByRole('option').first()).toContainText('the kind of event');
  await page.keyboard.press('Tab');
  await expect(bar(page)).toHaveValue('dataset:');
  await expect(offer.getByRole('option').filter({ hasText: 'windows.sysmon.process_creation' })).toContainText('events');
  await bar(page).pressSequentially('win');
  await expect(offer.getByRole('option')).toHaveCount(1);
  await page.keyboard.press('ArrowDown');
  await expect(bar(page)).toHaveAttribute('aria-activedescendant', /.+/);
  await readable(page, 'what is offered');
  await page.keyboard.press('Enter');
  await expect(bar(page)).toHaveValue('dataset:windows.sysmon.process_creation');
  await page.keyboard.press('Shift+Enter');
  await bar(page).pressSequentially('| summ');
  await expect(offer.getByRole('option').first()).toContainText('group rows and compute over each group');
  await picture(page, 'search-offer');
  await page.keyboard.press('Tab');
  await bar(page).pressSequentially(' n=count() by Image');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+Enter');
  await expect(page).toHaveURL(/summarize/);
  await expect(page.getByRole('columnheader', { name: 'Image' })).toBeVisible();
  await picture(page, 'search-rows');
  await bar(page).fill('');
  await page.keyboard.press('ArrowUp');
  await expect(offer.getByRole('option').first()).toContainText('summarize n=count() by Image');
  await page.keyboard.press('Enter');
  await expect(bar(page)).toHaveValue(/summarize n=count\(\) by Image$/);
  await find(page, 'events | where Imag == "x"');
  await expect(page.getByText('did you mean "Image"?')).toBeVisible();
});

test('fields are counted over the whole result, and the rarest values come first', async () => {
  await open(page, '/search?q=dataset:windows.sysmon.process_creation&limit=10');
  await expect(rows(page)).toHaveCount(10);
  const fields = page.getByRole('complementary', { name: 'Fields' });
  await fields.getByLabel('Find a field').fill('Image');
  await fields.getByRole('button', { name: /^Image/ }).click();
  const values = fields.locator('.facet-values li');
  await expect(values.filter({ hasText: 'svchost.exe' })).toContainText('65'); // of 266, not of the 10 on the page
  await fields.getByRole('switch', { name: 'Rare first' }).click({ force: true });
  await expect(page).toHaveURL(/rare=1/);
  await expect(values.locator('.facet-value').first()).toContainText('1 host');
  await expect(fields.getByText('rare.exe')).toBeVisible();
  await expect(values.filter({ hasText: 'svchost.exe' })).toContainText('3 hosts');
  await stands(page, 'search with fields');
  await picture(page, 'search-facets');
  await readable(page, 'the fields');
  await values.filter({ hasText: 'rare.exe' }).getByRole('button', { name: /^Include/ }).last().click();
  await expect(rows(page)).toHaveCount(1);
  expect(new URL(page.url()).searchParams.get('q')).toBe('dataset:windows.sysmon.process_creation Image:"C:\\\\Users\\\\anna\\\\AppData\\\\rare.exe"');
});

test('keys move, open and choose; columns and their order stand in the address', async () => {
  await open(page, '/search?q=action:denied&limit=5');
  await expect(rows(page)).toHaveCount(5);
  await page.locator('h1').click();
  await page.keyboard.press('j');
  await expect(rows(page).first()).toBeFocused();
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await page.keyboard.press('k');
  await page.keyboard.press('Enter');
  await expect(page.locator('.detail')).toBeVisible();
  await expect(page).toHaveURL(/open=[0-9a-f]{32}/);
  await expect(page.getByText('1 chosen')).toBeVisible();
  await picture(page, 'search-detail');
  await readable(page, 'an event');
  await page.getByRole('button', { name: 'Copy as JSON' }).last().click();
  expect(JSON.parse(await page.evaluate(() => navigator.clipboard.readText()))).toMatchObject({ dataset: 'json', fields: { action: 'denied' } });
  await rows(page).first().focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('.detail')).toHaveCount(0);
  await page.keyboard.press('c');
  const columns = page.getByRole('dialog', { name: 'Columns' });
  await columns.getByLabel('Find a field').fill('port');
  await columns.getByRole('checkbox', { name: 'port' }).first().click();
  await columns.getByRole('button', { name: 'Move port up' }).click();
  await readable(page, 'the columns');
  await columns.getByRole('button', { name: 'Done' }).click();
  await expect(page).toHaveURL(/col=dataset&col=host.name&col=port&col=raw/);
  await page.getByRole('columnheader', { name: 'port' }).getByRole('button').click();
  await page.getByRole('menuitem', { name: 'Largest first' }).click();
  await expect(page).toHaveURL(/sort=-port/);
  await expect(rows(page).first().getByRole('button', { name: '24', exact: true })).toBeVisible();
  await page.reload();
  await expect(page.getByRole('columnheader', { name: 'port' })).toHaveAttribute('aria-sort', 'descending');
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export' }).click();
  await page.getByRole('menuitem', { name: 'CSV' }).click();
  expect((await download).suggestedFilename()).toBe('events.csv');
});

test('a value leads on: around the event, its processes, an incident', async () => {
  await open(page, '/search?q=CommandLine:*encod*%20OR%20CommandLine:*-enc*');
  await rows(page).first().getByRole('button', { name: 'Show the whole event' }).click();
  const detail = page.locator('.detail');
  await detail.getByRole('button', { name: 'Process tree' }).click();
  const tree = page.getByRole('tree', { name: 'Processes' });
  await expect(tree.getByRole('treeitem')).toHaveCount(7);
  await expect(tree.getByRole('treeitem').filter({ hasText: 'this event' })).toContainText('powershell');
  await picture(page, 'search-tree');
  await readable(page, 'the tree of processes');
  await tree.getByRole('treeitem').filter({ hasText: 'this event' }).focus();
  await page.keyboard.press('ArrowLeft');
  await expect(tree.getByRole('treeitem', { selected: true })).toContainText('cmd.exe');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/q=id%3A[0-9a-f]{32}/);
  await expect(detail).toContainText('cmd.exe /c powershell');

  await detail.getByRole('button', { name: 'CORP\\anna' }).first().click();
  for (const item of ['Include in search', 'Exclude from search', 'Only this', 'Around this event', 'Process tree', 'Add event to incident', 'Except from a rule']) await expect(page.getByRole('menuitem', { name: item })).toBeVisible();
  await picture(page, 'search-menu');
  await page.getByRole('menuitem', { name: 'Add event to incident' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('combobox', { name: 'Incident' }).click();
  await page.getByRole('option', { name: 'A new incident' }).click();
  await dialog.getByLabel('Title').fill('A shell out of a document');
  await dialog.getByLabel('Why it belongs there').fill('Word started a shell');
  await readable(page, 'adding to an incident');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('link', { name: /^inc-/ }).click();
  await expect(page.getByRole('heading', { name: 'A shell out of a document' })).toBeVisible();
  await expect(page.getByText('admin opened it: Word started a shell')).toBeVisible();
  await page.goBack();
  await detail.getByRole('button', { name: 'CORP\\anna' }).first().click();
  await page.getByRole('menuitem', { name: 'Around this event' }).click();
  await expect(page).toHaveURL(/from=.*to=/);
  await expect(rows(page).first()).toBeVisible();
  const { searchParams } = new URL(page.url());
  expect(Date.parse(searchParams.get('to') ?? '') - Date.parse(searchParams.get('from') ?? '')).toBe(30 * 60_000);
});

test('what an attacker wrote is shown as text, and can be searched for', async () => {
  await open(page, '/search?q=host.name:evil-1');
  await rows(page).first().getByRole('button', { name: 'Show the whole event' }).click();
  const detail = page.locator('.detail');
  await expect(detail.getByText('<script>', { exact: false }).first()).toBeVisible();
  await expect(detail.locator('.unseen', { hasText: 'U+202E' }).first()).toBeVisible();
  await expect(detail.locator('.unseen', { hasText: 'U+0000' }).first()).toBeVisible();
  await expect(page.locator('img[src="x"]')).toHaveCount(0);
  const all = detail.getByRole('button', { name: /^Show all 65,5\d\d characters/ });
  await all.first().click();
  await expect(detail.locator('.long').first()).toContainText('xxx end');
  await stands(page, 'a hostile event');
  await picture(page, 'search-hostile');
  await readable(page, 'a hostile event');
  expect(await page.title()).toBe('Search · Holdfast');
  await detail.getByRole('button', { name: 'odd value' }).click();
  await page.getByRole('menuitem', { name: 'Include in search' }).click();
  await expect(rows(page)).toHaveCount(1);
  await expect(page.getByRole('alert')).toHaveCount(0);
  await expect(detail).toHaveCount(0);
  await rows(page).first().getByRole('button', { name: 'Show the whole event' }).click();
  await page.getByRole('button', { name: '203.0.113.66' }).first().click();
  await page.getByRole('menuitem', { name: 'Block this address' }).click();
  await expect(page.getByRole('dialog', { name: 'Block this address' })).toContainText('203.0.113.66');
  await readable(page, 'blocking');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.getByRole('button', { name: 'evil-1' }).first().click();
  await page.getByRole('menuitem', { name: 'Except from a rule' }).click();
  await expect(page.getByRole('dialog')).toContainText('holdfast exceptions add');
  await expect(page.getByRole('combobox', { name: 'Rule' })).toBeFocused();
  await readable(page, 'an exception');
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('listbox', { name: 'Rule' })).toBeVisible();
  await page.keyboard.press('Escape'); // shuts the list that was asked for
  await expect(page.getByRole('listbox', { name: 'Rule' })).toHaveCount(0);
  await expect(page.getByRole('dialog')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
});

test('a tail shows what comes, and waits while it is paused', async () => {
  await open(page, '/search?q=host.name:tail-1&tail=1');
  await expect(page.getByText('Live', { exact: true }).last()).toBeVisible();
  await send(context.request, [started('tail-1', new Date(), 1, 0, 'a.exe', 'first', 'x')]);
  await expect(rows(page)).toHaveCount(1);
  await page.getByRole('button', { name: 'Pause' }).click();
  await send(context.request, [2, 3].map((n) => started('tail-1', new Date(), n, 0, 'a.exe', `more ${n}`, 'x')));
  await expect(page.getByText('2 new wait')).toBeVisible({ timeout: 15_000 });
  await expect(rows(page)).toHaveCount(1);
  await picture(page, 'search-tail');
  await readable(page, 'a tail');
  await page.getByRole('button', { name: 'Go on' }).click();
  await expect(rows(page)).toHaveCount(3);
  await page.getByRole('switch', { name: 'Tail' }).click({ force: true });
  await expect(page).not.toHaveURL(/tail=1/);
});

test('leaving the page, or another search, ends the one that runs on the server', async () => {
  const running = async () => {
    const r = await context.request.get('/api/v1/status');
    return ((await r.json()) as { events: { searches: number } }).events.searches;
  };
  const endless = encodeURIComponent('sql SELECT count(*) FROM events a, events b, events c, events d, events e WHERE a.time < b.time AND c.time < e.time');
  const long = async () => {
    await page.goto(`/search?q=${endless}`);
    await expect(page.getByText(/^Searching, 0/)).toBeVisible();
    await expect.poll(running).toBeGreaterThan(0);
  };
  await long();
  await page.getByRole('link', { name: 'Rules' }).click();
  await expect(page.getByRole('heading', { name: 'Rules', exact: true })).toBeVisible();
  await expect.poll(running).toBe(0);
  await long();
  await find(page, 'host.name:desk-7 | count');
  await expect.poll(running).toBe(0);
  await long();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByText('Cancelled before the first row came.')).toBeVisible();
  await expect.poll(running).toBe(0);
});

/** stillness is when a turn of the wheel, which the browser carries out in its own time, has come to its end. */
async function stillness(on: Page): Promise<void> {
  let before = -1;
  await expect.poll(async () => {
    const at = await on.evaluate(() => window.scrollY);
    const still = at === before;
    before = at;
    return still;
  }, { intervals: [250] }).toBe(true);
}

test('five thousand events are walked by keyboard, few of them drawn, and columns are made wider', async () => {
  const many = 5000;
  const at = Date.now() - 3_600_000;
  await send(context.request, Array.from({ length: many }, (_, i) => ({ time: new Date(at + i * 100).toISOString(), host: { name: 'many-1' }, action: 'counted', nth: i })));
  await expect.poll(async () => {
    const r = await context.request.post('/api/v1/query', { headers: { 'X-Holdfast': '1' }, data: { q: 'host.name:many-1 | count' } });
    return ((await r.json()) as { rows: number[][] }).rows[0]?.[0] ?? 0;
  }, { timeout: 60_000 }).toBe(many);
  await open(page, `/search?q=host.name:many-1&limit=${many}`);
  const table = page.getByRole('table', { name: 'Events' });
  await expect(table).toHaveAttribute('aria-rowcount', String(many + 1));
  expect(await rows(page).count()).toBeLessThan(80);
  await rows(page).first().focus();
  await page.keyboard.press('End');
  const last = table.locator(`tr[data-row="${many - 1}"]`);
  await expect(last).toBeFocused();
  await expect(last).toBeInViewport();
  await expect(last).toHaveAttribute('aria-rowindex', String(many + 1));
  await expect(last).toContainText('nth=0');
  await expect(page.getByRole('columnheader', { name: 'Time' })).toBeInViewport();
  expect(await rows(page).count()).toBeLessThan(80);
  await page.keyboard.press('k');
  await page.keyboard.press('Enter');
  await expect(page.locator('.detail')).toBeInViewport();
  await stands(page, 'many events');
  await picture(page, 'search-many');
  await page.keyboard.press('Enter');
  await page.keyboard.press('PageUp');
  await expect(table.locator(`tr[data-row="${many - 22}"]`)).toBeFocused();
  await page.mouse.move(900, 400);
  await page.mouse.wheel(0, -60_000); // the row with the focus is far away, and keeps it
  await expect(table.locator(`tr[data-row="${many - 22}"]`)).not.toBeInViewport();
  await stillness(page);
  await expect(table.locator(`tr[data-row="${many - 22}"]`)).toBeFocused();
  await page.keyboard.press('j');
  await expect(table.locator(`tr[data-row="${many - 21}"]`)).toBeInViewport();
  await page.keyboard.press('Home');
  await expect(rows(page).first()).toContainText(`nth=${many - 1}`);
  await expect(rows(page).first()).toBeFocused();

  const host = page.getByRole('columnheader', { name: 'Host' });
  const wide = async () => (await host.boundingBox())?.width ?? 0;
  const before = await wide();
  const grip = page.getByRole('separator', { name: 'Width of host.name' });
  await grip.focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  expect(await wide()).toBeCloseTo(before + 32, 0);
  const { x, y, width, height } = (await grip.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width / 2 + 500, y + height / 2, { steps: 4 });
  await page.mouse.up();
  expect(await wide()).toBeCloseTo(before + 532, 0);
  await stands(page, 'a wide column');
  await picture(page, 'search-wide');
  await page.reload();
  await expect(rows(page).first()).toBeVisible();
  expect(await wide()).toBeCloseTo(before + 532, 0);
  await grip.dblclick();
  expect(await wide()).toBeCloseTo(before, 0);
  await open(page, '/search?q=host.name:many-1%20%7C%20project%20nth,action%20%7C%20take%203000&limit=5000');
  await expect(page.getByRole('table')).toHaveAttribute('aria-rowcount', '3001');
  expect(await page.locator('tr.hit').count()).toBeLessThan(80);
  await picture(page, 'search-rows-many');
});

test('it stands in light as in dark', async () => {
  await open(page, '/search');
  await expect(rows(page).first()).toBeVisible();
  await page.getByRole('button', { name: 'Dark or light' }).click();
  await stands(page, 'search');
  await picture(page, 'search-other');
  await page.getByRole('button', { name: 'Dark or light' }).click();
  await picture(page, 'search-one');
});
