import { AxeBuilder } from '@axe-core/playwright';
import { expect, type Page } from '@playwright/test';

const shots = process.env.HOLDFAST_SHOTS ?? 'test-results';
export const home = process.env.HOLDFAST_URL ?? 'http://127.0.0.1:8440';

/** Gathers what must not happen on any page: errors, and requests to elsewhere. */
export function watch(page: Page, expected: readonly number[] = []): { errors: string[]; outside: string[] } {
  const errors: string[] = [];
  const outside: string[] = [];
  page.on('console', (m) => {
    if (m.type() === 'error' && !expected.some((status) => m.text().includes(`status of ${status}`))) errors.push(m.text());
  });
  page.on('pageerror', (e) => errors.push(e.message));
  page.on('request', (r) => {
    if (!r.url().startsWith(home) && !r.url().startsWith('data:')) outside.push(r.url());
  });
  return { errors, outside };
}

/** The page stands, all of it read, and does not scroll sideways. */
export async function stands(page: Page, where: string): Promise<void> {
  await page.waitForLoadState('load');
  await expect(page.getByText('Reading…')).toHaveCount(0);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wide, `${where} scrolls sideways`).toBeLessThanOrEqual(0);
}

/** Waits until nothing moves any more but what turns forever. */
export async function still(page: Page): Promise<void> {
  await expect.poll(() => page.evaluate(() => document.getAnimations().filter((a) => a.effect?.getComputedTiming().iterations !== Infinity).length)).toBe(0);
}

/** Keeps a picture of the page for a person to look at. */
export async function picture(page: Page, name: string, fullPage = false): Promise<void> {
  await still(page);
  await page.screenshot({ path: `${shots}/${name}.png`, fullPage });
}

/** WCAG 2.1 A and AA by axe, contrast of text among it: nothing serious or critical, in dark and in light. */
export async function readable(page: Page, where: string): Promise<void> {
  const scheme = page.locator('html');
  const first = (await scheme.getAttribute('data-mantine-color-scheme')) === 'light' ? 'light' : 'dark';
  for (const tone of [first, first === 'dark' ? 'light' : 'dark'] as const) {
    // As the button does it, which cannot be reached while a dialog is open.
    await scheme.evaluate((e, t) => e.setAttribute('data-mantine-color-scheme', t), tone);
    await still(page);
    const axe = new AxeBuilder({ page }).setLegacyMode(true);
    // Of all that is looked at, only contrast hangs on the tone.
    const { violations, passes } = await (tone === first ? axe.withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']) : axe.withRules('color-contrast')).analyze();
    expect(passes.map((p) => p.id), `${where}: the contrast of text was looked at`).toContain('color-contrast');
    const found = violations
      .filter((v) => v.impact === 'serious' || v.impact === 'critical')
      .flatMap((v) => v.nodes.map((n) => `${where}, ${tone}: ${v.id}: ${n.target.join(' ')}: ${n.failureSummary?.split('\n').slice(1).join(' ') ?? v.help}: ${n.html.slice(0, 160)}`));
    expect.soft(found).toEqual([]);
  }
  await scheme.evaluate((e, t) => e.setAttribute('data-mantine-color-scheme', t), first);
}
