/** WCAG 2.2 AA, as far as a program can tell, on every page; and all of it by keyboard alone. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import axe from 'axe-core';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Chromium, Desk, go, NO_BROWSER, type Person } from '../support/gui.ts';
import { LOOPBACK } from '../support/relay.ts';

const NARROW = { width: 320, height: 640 };

describe.skipIf(NO_BROWSER)('the page', () => {
  let chromium: Chromium;
  beforeAll(async () => {
    chromium = await Chromium.launch();
  });
  afterAll(async () => {
    await chromium[Symbol.asyncDispose]();
  });

  test('has no fault that axe finds, in light, dark and narrow', async () => {
    await using mac = await Desk.open({ withKey: false });
    await using pi = await Desk.open();
    await using me = await chromium.person();
    await me.context.addInitScript({ content: axe.source });
    const { page } = me;
    await page.goto(mac.gui.newLink());
    await page.getByRole('button', { name: /^Make the key/ }).waitFor();
    const found: string[] = [];
    const look = async (name: string): Promise<void> => {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        found.push(...(await faults(page, `${name}, ${colorScheme}`)));
      }
      const wide = page.viewportSize();
      await page.setViewportSize(NARROW);
      found.push(...(await faults(page, `${name}, narrow`)));
      // Nobody has to scroll to the side (WCAG 2.2, 1.4.10).
      const tooWide = await page.evaluate(() => {
        const { clientWidth, scrollWidth } = document.documentElement;
        if (scrollWidth <= clientWidth) return [];
        const all = [...document.querySelectorAll('main *, header *')];
        return all
          .filter((one) => one.getBoundingClientRect().right > clientWidth)
          .map((one) => one.outerHTML);
      });
      found.push(...tooWide.map((html) => `${name}: too wide: ${html.slice(0, 200)}`));
      if (wide !== null) await page.setViewportSize(wide);
    };
    await look('first run');
    await page.getByRole('button', { name: /^Make the key/ }).click();
    await page.getByRole('heading', { name: 'This machine', exact: true }).waitFor();
    await mac.trusts(pi, 'pi');
    await pi.trusts(mac, 'mac');
    await using other = await chromium.at(pi);

    await go(page, 'Peers');
    await page.getByRole('link', { name: /^pi/ }).click();
    await page.getByText(/^median/).waitFor();
    await look('peers');
    await go(page, 'Ask');
    await page.getByRole('button', { name: /^Ask time/ }).click();
    await page.getByRole('article', { name: 'time of pi' }).waitFor();
    await page.getByLabel('Command').selectOption('lucky');
    await page.getByRole('button', { name: 'Watch' }).click();
    await page
      .getByRole('region', { name: /^Watching lucky/ })
      .locator('canvas')
      .waitFor();
    await look('ask');
    await page.getByRole('button', { name: 'Stop watching' }).click();
    await go(page, 'Chat');
    await page.getByLabel('Message to pi').fill('Hello');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('✓ delivered').waitFor();
    await look('chat');

    const gift = join(pi.folder, 'gift');
    await mkdir(gift);
    await writeFile(join(gift, 'note.txt'), 'hello');
    await go(other.page, 'Files');
    await other.page.getByLabel(/push them to one peer/).check();
    await other.page.getByLabel(/Or where it is/).fill(gift);
    await other.page.getByRole('button', { name: 'Push it to mac' }).click();
    await go(page, /^Files 1 to answer/);
    await page.getByLabel(/Or where it is/).fill(gift);
    await page.getByRole('button', { name: 'Offer it' }).click();
    await page.getByRole('button', { name: /^To whom gift/ }).click();
    await page.getByRole('list', { name: 'What is in it' }).waitFor();
    await look('files, asked');
    await page.getByRole('button', { name: 'Take it: gift' }).click();
    await page.getByRole('article', { name: 'gift from pi' }).waitFor();
    await look('files');

    await go(page, 'Wire');
    await page.getByRole('row', { name: /DATA/ }).first().waitFor();
    await mac.throwAt('x'.repeat(100));
    await page.getByRole('button', { name: 'Hold' }).click();
    await page.getByRole('row', { name: /DATA/ }).first().getByRole('button').click();
    await page
      .getByRole('row', { name: /unknown-type/ })
      .first()
      .waitFor();
    await look('wire');
    await go(page, 'Doctor');
    await page.getByText('pi answers.').waitFor();
    await look('doctor');
    await go(page, 'This machine');
    await page.getByRole('button', { name: 'Wait for the other machine' }).click();
    await page.getByText('This machine waits').waitFor();
    await look('this machine');
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Logged out' }).waitFor();
    await look('logged out');
    expect(found).toEqual([]);
    expect([...me.complaints, ...other.complaints]).toEqual([]);
  });

  test('is used by keyboard alone, from the first run to a file that is taken', async () => {
    await using mac = await Desk.open({ withKey: false });
    await using pi = await Desk.open({ withKey: false });
    await using me = await chromium.at(mac);
    await using other = await chromium.at(pi);
    const mine = new Keyboard(me);
    const theirs = new Keyboard(other);
    for (const keyboard of [mine, theirs]) {
      await keyboard.press('button', /^Make the key/);
      await keyboard.press('link', 'This machine');
    }
    await mine.press('button', 'Wait for the other machine');
    const typed = await me.page.getByLabel('What to type on the other machine').first().inputValue();
    await theirs.type('Its address', `${LOOPBACK}:${/:(\d+)$/.exec(typed)?.[1]}`);
    await theirs.press('button', 'Ask it');
    for (const keyboard of [mine, theirs]) await keyboard.press('button', 'Yes, the same');
    const names: string[] = [];
    for (const { page } of [me, other]) {
      await page.getByText('is trusted here now').waitFor();
      names.push((await page.locator('.greeting strong').textContent()) ?? '');
    }
    const [theirName = '', myName = ''] = names;

    await mine.press('link', 'Ask');
    await me.page.getByLabel('Command').waitFor();
    await mine.choose('Command', 'lucky');
    await mine.press('button', 'Ask lucky');
    await me.page.getByRole('article', { name: `lucky of ${theirName}` }).waitFor();

    await mine.press('link', 'Chat');
    await mine.type(`Message to ${theirName}`, 'By keyboard');
    await me.page.keyboard.press('Enter');
    await me.page.getByText('✓ delivered').waitFor();

    await writeFile(join(pi.folder, 'gift.txt'), 'hello');
    await theirs.press('link', /^Files/);
    await theirs.reach(other.page.getByRole('radio', { name: /^offer them/ }));
    await other.page.keyboard.press('ArrowDown');
    await theirs.type(/^Or where it is/, join(pi.folder, 'gift.txt'));
    await theirs.press('button', `Push it to ${myName}`);
    await mine.press('link', /^Files 1 to answer/);
    await mine.press('button', 'Take it: gift.txt');
    await me.page.getByText(`from ${theirName} done`).waitFor();

    await mine.press('link', 'Peers');
    await mine.press('link', new RegExp(`^${theirName}`));
    await mine.reach(me.page.getByRole('checkbox', { name: /^lucky/ }));
    await me.page.keyboard.press('Space');
    await expect.poll(() => me.page.getByRole('checkbox', { name: /^lucky/ }).isChecked()).toBe(false);
    await mine.press('button', 'Remove');
    await me.page.getByRole('dialog').waitFor();
    await me.page.keyboard.press('Escape'); // second thoughts
    await me.page.getByRole('dialog').waitFor({ state: 'hidden' });
    await mine.press('link', 'Wire');
    await mine.press('button', 'Hold');
    await mine.press('link', 'Doctor');
    await me.page.getByText(`${theirName} answers.`).waitFor();
    await mine.press('button', 'Log out');
    await me.page.getByRole('heading', { name: 'Logged out' }).waitFor();
    expect([...me.complaints, ...other.complaints]).toEqual([]);
  });
});

/** A person without a mouse, who sees where the focus is. */
class Keyboard {
  readonly #page: Page;

  constructor({ page }: Person) {
    this.#page = page;
  }

  async press(role: 'button' | 'link', name: string | RegExp): Promise<void> {
    const exact = typeof name === 'string';
    await this.reach(this.#page.getByRole(role, { name, exact }).first());
    await this.#page.keyboard.press('Enter');
  }

  async type(label: string | RegExp, text: string): Promise<void> {
    await this.reach(this.#page.getByLabel(label));
    await this.#page.keyboard.type(text);
  }

  /** By its first letters, as lists are. */
  async choose(label: string, option: string): Promise<void> {
    const list = this.#page.getByLabel(label);
    await this.reach(list);
    await this.#page.keyboard.type(option);
    await expect.poll(() => list.inputValue()).toBe(option);
  }

  /** By Tab, past everything before it. */
  async reach(target: Locator): Promise<void> {
    const MOST = 150;
    await target.waitFor();
    for (let i = 0; i < MOST; i++) {
      const isThere = await target.evaluate((one) => {
        if (one !== document.activeElement) return false;
        const { outlineStyle, outlineWidth } = getComputedStyle(one);
        if (outlineStyle === 'none' || outlineWidth === '0px') throw new Error('the focus is not seen');
        return true;
      });
      if (isThere) return;
      await this.#page.keyboard.press('Tab');
    }
    throw new Error(`${target} is not reached by Tab`);
  }
}

async function faults(page: Page, where: string): Promise<string[]> {
  const violations = await page.evaluate(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: it was put there by the test
    const { axe } = window as any;
    const result = await axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
    return result.violations as { id: string; nodes: { html: string; failureSummary: string }[] }[];
  });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${where}: ${id}: ${html} ${failureSummary}`),
  );
}
