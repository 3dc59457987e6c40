/** What a peer that means harm can have on the page: text, and not much of it at once. */
import { createSocket } from 'node:dgram';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  builtinCommands,
  type Command,
  deliver,
  MessageStore,
  pushOffer,
  Shelf,
  serveFiles,
} from '../../src/index.ts';
import { Chromium, Desk, go, NO_BROWSER, type Person } from '../support/gui.ts';

/** Does as much as it can wherever it is taken for markup, or for a part of a script or an attribute. */
const MARKUP = `"'><img src=x onerror="document.title='owned'"><script>document.title='owned'<\u002fscript>`;
/** The same for names of files, which have no slash. */
const NAME = `"'><img src=x onerror="document.title='owned'"><svg onload=alert(1)>`;

describe.skipIf(NO_BROWSER)('a hostile peer', () => {
  let chromium: Chromium;
  beforeAll(async () => {
    chromium = await Chromium.launch();
  });
  afterAll(async () => {
    await chromium[Symbol.asyncDispose]();
  });

  test('has its markup shown as text, in every field that it can fill', async () => {
    await using desk = await Desk.open();
    const evil: Command[] = [
      {
        name: 'evil',
        summary: MARKUP,
        args: [{ name: 'what', summary: MARKUP, type: 'text', default: MARKUP }],
        idempotent: true,
        run: () => ({ [MARKUP]: MARKUP }),
      },
      {
        name: 'failing',
        summary: MARKUP,
        args: [],
        idempotent: true,
        run: () => {
          throw new Error(MARKUP);
        },
      },
    ];
    const pi = await desk.peer('pi', { commands: [...builtinCommands, ...evil] });
    const toDesk = pi.peer('desk');
    await using person = await chromium.at(desk);
    const { page } = person;

    await go(page, 'Ask');
    await page.getByLabel('Command').selectOption('evil');
    await expectInert(person, MARKUP);
    await page.getByRole('button', { name: 'Ask evil' }).click();
    await page.getByRole('article', { name: 'evil of pi' }).getByText('owned').first().waitFor();
    await page.getByLabel('Command').selectOption('failing');
    await page.getByRole('button', { name: 'Ask failing' }).click();
    await page.getByRole('article', { name: 'failing of pi' }).getByText('owned').first().waitFor();
    await page.getByLabel('Command').selectOption('evil');
    await page.getByRole('button', { name: 'Watch' }).click();
    await page
      .getByRole('region', { name: /^Watching evil/ })
      .getByText('owned')
      .first()
      .waitFor();
    await expectInert(person, MARKUP);

    const { publicKey } = await desk.store.loadKeyPair();
    const outbox = new MessageStore(join(desk.folder, 'pi'), await desk.keyPairOf('pi'));
    await outbox.queue(publicKey, MARKUP);
    await deliver(toDesk, outbox, { timeoutMs: 5_000 }, () => {});
    await go(page, /^Chat/);
    await page.locator('.message.in').waitFor();
    await expectInert(person, MARKUP);

    const folder = join(desk.folder, NAME);
    await mkdir(join(folder, NAME), { recursive: true });
    await writeFile(join(folder, NAME, NAME), 'x');
    const shelf = await Shelf.open({ stateDir: join(desk.folder, 'pi', 'hashes') });
    const { offer } = await shelf.add(folder);
    serveFiles(pi, { offers: [shelf] });
    const stop = new AbortController();
    const pushed = pushOffer(toDesk, offer, { signal: stop.signal, now: () => performance.now() }).catch(
      () => {},
    );
    await go(page, /^Files 1 to answer/);
    await page.getByRole('list', { name: 'What is in it' }).getByText('svg').first().waitFor();
    await page.getByRole('button', { name: /^Get: / }).waitFor();
    await expectInert(person, NAME);
    await page.getByRole('button', { name: /^Take it/ }).click();
    await pushed;
    await page.getByRole('button', { name: /^Get: / }).click();
    await expect.poll(() => page.getByText(/from pi done/).count()).toBe(2);
    await expectInert(person, NAME);
    await shelf.close();

    await go(page, 'Wire');
    await expect
      .poll(async () => {
        await toDesk.request('help', [MARKUP]).catch(() => {}); // it has no arguments
        return page.getByRole('row', { name: /REQUEST help/ }).count();
      })
      .toBeGreaterThan(0);
    await page.getByRole('button', { name: 'Hold' }).click();
    await page
      .getByRole('row', { name: /REQUEST help/ })
      .first()
      .getByRole('button')
      .click();
    await page.getByRole('region', { name: 'What was in it' }).getByText('owned').waitFor();
    await expectInert(person, 'owned');
  });

  test('that floods this machine leaves the page as quick as before', async () => {
    const SECONDS = 3;
    const A_SECOND = 10_000;
    await using desk = await Desk.open();
    const pi = await desk.peer('pi');
    await using person = await chromium.at(desk);
    const { page } = person;
    await go(page, 'Wire');
    await page.getByText('Nothing was dropped').waitFor();
    // Those whom nobody trusts by the thousands, and beside them one whom this machine trusts, as fast as it can.
    const flood = new AbortController();
    const asking = Array.from({ length: 32 }, async () => {
      while (!flood.signal.aborted)
        await pi
          .peer('desk')
          .request('time', [])
          .catch(() => {});
    });
    const [address] = desk.gui.addresses;
    const socket = createSocket('udp4');
    const garbage = Buffer.alloc(100, 'x');
    let sent = 0;
    const flooding = (async () => {
      const beganAt = performance.now();
      while (sent < SECONDS * A_SECOND) {
        const due = ((performance.now() - beganAt) / 1000) * A_SECOND;
        while (sent < Math.min(due, SECONDS * A_SECOND)) {
          socket.send(garbage, address?.port, address?.ip);
          sent++;
        }
        await sleep(2);
      }
    })();
    await page.getByRole('region', { name: 'Dropped, by reason' }).getByText('unknown-type').waitFor();
    // Meanwhile a person goes to other pages and back, and frames are drawn.
    const frames = page.evaluate(
      () =>
        new Promise<number>((done) => {
          let count = 0;
          const next = (): void => {
            requestAnimationFrame(() => {
              count++;
              next();
            });
          };
          next();
          setTimeout(() => done(count), 1_500);
        }),
    );
    await go(page, 'Peers');
    await page.getByRole('link', { name: /^pi/ }).click();
    await page.getByText(/^median/).waitFor();
    await go(page, 'Wire');
    expect(await frames).toBeGreaterThan(10);
    await flooding;
    flood.abort();
    await Promise.all(asking);
    socket.close();
    expect(sent).toBe(SECONDS * A_SECOND);
    // What is too much to be shown is counted.
    const drops = page
      .getByRole('row', { name: /^unknown-type/ })
      .getByRole('cell')
      .nth(1);
    await expect.poll(async () => Number(await drops.textContent())).toBeGreaterThan(1_000);
    expect(
      await page.getByRole('region', { name: 'Datagrams that passed' }).getByRole('row').count(),
    ).toBeLessThan(202);
    expect(person.complaints).toEqual([]);
  });
});

/** It is there, as it was sent, and nothing came of it. */
async function expectInert({ page, complaints }: Person, text: string): Promise<void> {
  const seen = await page.evaluate(() => ({
    title: document.title,
    images: [...document.querySelectorAll('main img, main script, main svg:not(.qr)')].length,
    handlers: [...document.querySelectorAll('main *')].filter((one) =>
      one.getAttributeNames().some((name) => name.startsWith('on')),
    ).length,
    text: document.body.textContent,
  }));
  expect(seen.title).not.toContain('owned');
  expect([seen.images, seen.handlers]).toEqual([0, 0]);
  expect(seen.text).toContain(text);
  expect(complaints).toEqual([]);
}
