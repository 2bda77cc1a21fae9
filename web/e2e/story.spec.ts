import { expect, test, type Page } from '@playwright/test';

import { home, picture, readable, stands, still, watch } from './check';

// What has happened before: five wrong passwords and then the right one, from
// this address, on a real host.
const attacker = process.env.HOLDFAST_ATTACKER ?? '';
const password = 'a long enough password';

/** Opens a one-time link and chooses a password. */
async function enter(page: Page, link: string): Promise<void> {
  await page.goto(link);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByLabel('Once more').fill(password);
  await page.getByRole('button', { name: 'Set password' }).click();
  await expect(page.getByRole('heading', { name: 'The loop' })).toBeVisible();
}

const panel = (page: Page, title: string) => page.locator('section.panel').filter({ has: page.getByRole('heading', { name: title, exact: true }) });

test('an attack is blocked, undone, and closed on two people\'s word', async ({ browser }) => {
  test.setTimeout(240_000);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  const seen = watch(page, [401, 409]); // before the login, and the refused closing
  await enter(page, process.env.HOLDFAST_LOGIN ?? '');
  await readable(page, 'the loop');

  // From the loop to the incident.
  await expect(page.getByRole('heading', { name: 'What needs a person now' })).toBeVisible();
  await picture(page, 'story-1-loop');
  await panel(page, 'What needs a person now').locator('a[href^="/incidents/"]').first().click();
  await expect(page).toHaveURL(/\/incidents\/inc-/);
  const incident = page.url();

  await test.step('the incident tells what happened', async () => {
    await stands(page, 'the incident');
    const story = panel(page, 'What happened').getByRole('listitem');
    await expect(story.filter({ hasText: attacker }).first()).toBeVisible();
    await expect(story.filter({ hasText: 'ssh-hard does not hold: password login was allowed' })).toBeVisible();
    await expect(story.last()).toHaveText(/keeps? it open/);
    await expect(panel(page, 'About').getByRole('button', { name: attacker })).toBeVisible();
    await expect(panel(page, 'About').getByRole('button', { name: 'worker', exact: true })).toBeVisible();
    const timeline = panel(page, 'Timeline').getByRole('listitem');
    for (const kind of ['alert', 'action', 'requirement']) await expect(timeline.locator('.kind', { hasText: kind }).first()).toBeVisible();
    const times = await timeline.locator('time').evaluateAll((all) => all.map((t) => Date.parse(t.getAttribute('datetime') ?? '')));
    expect(times.length).toBeGreaterThan(3);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    await expect(panel(page, 'Tasks').getByRole('checkbox')).toHaveCount(1);
    await picture(page, 'story-2-incident', true);
    await readable(page, 'the incident');
  });

  const block = page.getByRole('article').filter({ hasText: 'action/block-address' }).first();
  await test.step('the block is approved by a click and proven', async () => {
    await expect(block.locator('.mark').first()).toHaveText('planned');
    await expect(block.locator('.steps li').first()).toContainText(/\S/);
    await block.getByRole('button', { name: 'Approve and apply' }).click();
    await expect(block.locator('.mark').first()).toHaveText('verified', { timeout: 60_000 });
    await expect(block.getByText('Proof that it holds')).toBeVisible();
    await block.getByText('Proof that it holds').click();
    await expect(block.getByRole('row').nth(2)).toBeVisible();
    await expect(panel(page, 'What happened').getByText('In force and proven, approved by admin')).toBeVisible();
    await picture(page, 'story-3-verified', true);
    await readable(page, 'the incident with a block in force');
  });

  await test.step('it is undone from the keyboard', async () => {
    const undo = block.getByRole('button', { name: 'Undo' });
    await block.getByRole('button', { name: 'Prove again' }).focus();
    for (let i = 0; i < 4 && !(await undo.evaluate((e) => e === document.activeElement)); i++) await page.keyboard.press('Tab');
    await expect(undo).toBeFocused();
    await page.keyboard.press('Enter');
    await expect(block.locator('.mark').first()).toHaveText('undone', { timeout: 60_000 });
    await expect(block.getByText('Proof that it is undone')).toBeVisible();
    await picture(page, 'story-4-undone', true);
  });

  await test.step('a task is ticked', async () => {
    await panel(page, 'Tasks').getByRole('checkbox').check();
    await expect(panel(page, 'Tasks')).toContainText('admin');
  });

  await test.step('it does not close while something stands open', async () => {
    const gate = panel(page, 'What keeps it open');
    await gate.getByRole('button', { name: 'Close', exact: true }).click();
    const refused = page.getByRole('dialog', { name: 'It cannot close yet' });
    await expect(refused.getByRole('list', { name: 'Open points' }).getByText('detection', { exact: true }).first()).toBeVisible();
    await expect(refused.getByText('holdfast drills run').first()).toBeVisible();
    await picture(page, 'story-5-refused');
    await readable(page, 'the refused closing');
    await refused.getByRole('button', { name: 'Override…' }).click();
    const ask = page.getByRole('dialog', { name: 'Close against the gate' });
    await ask.getByLabel('Because').fill('the host is thrown away tonight');
    await picture(page, 'story-6-ask');
    await readable(page, 'asking for an override');
    await ask.getByRole('button', { name: 'Ask', exact: true }).click();
    await expect(gate).toContainText('Override asked by admin');
    const grant = gate.getByRole('button', { name: 'Grant' });
    await expect(grant).toHaveAttribute('aria-disabled', 'true'); // not one's own
    await grant.hover();
    await expect(page.getByRole('tooltip')).toContainText('another person has to grant it');
  });

  await test.step('a second person grants it, and the first one sees it close', async () => {
    const other = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const second = await other.newPage();
    const heard = watch(second, [401]);
    await enter(second, process.env.HOLDFAST_SECOND ?? '');
    await second.goto(incident);
    await second.getByRole('button', { name: 'Grant' }).click();
    await expect(second.getByText('closed', { exact: true }).first()).toBeVisible();
    await picture(second, 'story-7-granted', true);
    expect(heard).toEqual({ errors: [], outside: [] });
    await other.close();
    await expect(panel(page, 'What keeps it open')).toContainText('Granted by second'); // told by the stream, nothing was pressed
    await expect(panel(page, 'What happened')).toContainText('closed against the gate');
  });

  await test.step('the chart narrows the time, and a value has its menu', async () => {
    await page.keyboard.press('/');
    await page.getByLabel('Query').fill(`dataset:linux.sshd src_ip:${attacker}`);
    await page.keyboard.press('Enter');
    await expect(page.locator('tr.hit').first()).toBeVisible();
    await page.getByRole('combobox', { name: 'Time range' }).click();
    await page.getByRole('option', { name: 'Last 15 minutes' }).click();
    await expect(page).toHaveURL(/last=15m/);
    const chart = page.getByRole('img', { name: /drag to zoom in/ });
    await expect(chart).toHaveAttribute('aria-label', /^[1-9]/);
    await picture(page, 'story-8-search');
    await readable(page, 'search');
    const box = await chart.boundingBox();
    if (!box) throw new Error('the chart has no place');
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * 0.5, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.7, y, { steps: 5 });
    await page.mouse.move(box.x + box.width - 12, y, { steps: 5 });
    await page.mouse.up();
    await expect(page).toHaveURL(/[?&]from=/);
    const range = new URL(page.url()).searchParams;
    const [from, to] = [Date.parse(range.get('from') ?? ''), Date.parse(range.get('to') ?? '')];
    expect(to - from).toBeGreaterThan(5 * 60_000);
    expect(to - from).toBeLessThan(10 * 60_000);
    await expect(page.getByRole('combobox', { name: 'Time range' })).toHaveValue('Chosen span');
    await expect(page.locator('tr.hit').first()).toBeVisible();
    const shown = await page.locator('tr.hit time').evaluateAll((all) => all.map((t) => Date.parse(t.getAttribute('datetime') ?? '')));
    for (const t of shown) expect(t >= from && t <= to, `${t} is within ${from} and ${to}`).toBe(true);
    await picture(page, 'story-9-brushed');

    const opened = async () => { // the address of the page keeps what is open, also on the way back
      const first = page.getByRole('button', { name: 'Show the whole event' }).first();
      await expect(first).toBeVisible();
      if ((await first.getAttribute('aria-expanded')) !== 'true') await first.click();
    };
    await opened();
    const value = page.locator('tr.event').getByRole('button', { name: attacker, exact: true }).first();
    const choose = async (what: string) => {
      await expect(page.getByRole('menuitem')).toHaveCount(0); // the last menu is gone
      await value.click();
      await expect(page.getByRole('menuitem', { name: what })).toBeVisible();
      await still(page);
      await page.getByRole('menuitem', { name: what }).press('Enter'); // a menu that moves is never pressed beside the item
    };
    await value.click();
    await expect(page.getByRole('menuitem', { name: 'Copy' })).toBeVisible();
    await picture(page, 'story-10-menu');
    await readable(page, 'the menu of a value');
    await page.getByRole('menuitem', { name: 'Copy' }).click();
    await expect(page.getByText('Copied.')).toBeVisible();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(attacker);
    const before = await page.getByLabel('Query').inputValue();
    await choose('Include');
    await expect(page.getByLabel('Query')).toHaveValue(new RegExp(`^${escaped(before)} \\S+:${escaped(attacker)}$`));
    await expect(page.locator('tr.hit').first()).toBeVisible();
    expect(new URL(page.url()).searchParams.get('from'), 'the time range stays').toBe(range.get('from'));
    await page.goBack();
    await opened();
    await choose('Exclude');
    await expect(page.getByLabel('Query')).toHaveValue(new RegExp(`NOT \\S+:${escaped(attacker)}$`));
    await expect(page.getByText('Nothing matches in this time range.')).toBeVisible();
    await page.goBack();
    await opened();
    await choose('Look up');
    await expect(page.getByLabel('Query')).toHaveValue(new RegExp(`^("${escaped(attacker)}"|source\\.ip:${escaped(attacker)})$`));
    expect(new URL(page.url()).searchParams.get('from'), 'everywhere is not only the chosen time').toBeNull();
    await expect(page.locator('tr.hit').first()).toBeVisible();
  });

  await test.step('the pages that show the story are readable', async () => {
    for (const to of ['/', '/requirements/ssh-hard', '/alerts', '/incidents', '/health', '/evidence']) {
      await page.goto(home + to);
      await expect(page.locator('h1')).toBeVisible();
      await stands(page, to);
      await readable(page, to);
      await picture(page, `story-page${to.replaceAll('/', '-')}`);
    }
    for (const list of ['/assets', '/alerts']) {
      await page.goto(home + list);
      await page.locator(`table a[href^="${list}/"]`).first().click();
      await expect(page).toHaveURL(new RegExp(`${list}/.`));
      await stands(page, list);
      await readable(page, `${list}/…`);
      await picture(page, `story-page${list.replaceAll('/', '-')}-one`);
    }
    await page.goto(incident);
    await expect(page.locator('h1')).toBeVisible();
    await readable(page, 'the closed incident');
  });
  expect(seen).toEqual({ errors: [], outside: [] });
  await context.close();
});

function escaped(s: string): string {
  return s.replaceAll('.', '\\.');
}
