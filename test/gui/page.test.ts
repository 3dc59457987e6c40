/** The page, in a real browser, with real machines behind it. */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Page } from 'playwright-core';
import { encode } from 'uqr';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { builtinCommands, generateKeyPair, peerAddLine, UdpToolError } from '../../src/index.ts';
import { Chromium, Desk, go, NO_BROWSER } from '../support/gui.ts';
import { LOOPBACK } from '../support/relay.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

describe.skipIf(NO_BROWSER)('the page', () => {
  let chromium: Chromium;
  beforeAll(async () => {
    chromium = await Chromium.launch();
  });
  afterAll(async () => {
    await chromium[Symbol.asyncDispose]();
  });

  test('a first run makes a key, pairs with another machine and greets it; both ask each other', async () => {
    await using mac = await Desk.open({ withKey: false });
    await using pi = await Desk.open({ withKey: false });
    await using me = await chromium.at(mac);
    await using other = await chromium.at(pi);
    for (const { page } of [me, other]) {
      await page.getByRole('heading', { name: 'Welcome' }).waitFor();
      await page.getByRole('button', { name: /^Make the key/ }).click();
      await go(page, 'This machine');
    }
    await me.page.getByRole('button', { name: 'Wait for the other machine' }).click();
    const typed = await me.page.getByLabel('What to type on the other machine').first().inputValue();
    const port = /:(\d+)$/.exec(typed)?.[1];
    await other.page.getByLabel('Its address').fill(`${LOOPBACK}:${port}`);
    await other.page.getByRole('button', { name: 'Ask it' }).click();
    const [mine, theirs] = await Promise.all(
      [me, other].map(({ page }) => page.locator('.pairing-code').textContent()),
    );
    expect(mine).toMatch(/^\d{3} \d{3}$/);
    expect(theirs).toBe(mine);
    for (const { page } of [me, other]) await page.getByRole('button', { name: 'Yes, the same' }).click();
    for (const { page } of [me, other]) await page.getByText('is trusted here now').waitFor();
    await me.page.getByRole('link', { name: 'See it' }).click();
    await me.page.getByText(/^median .* 0 % lost/).waitFor();
    expect([...me.complaints, ...other.complaints]).toEqual([]);
  });

  test('commands are asked by a form made of their definitions, and a value that is watched is charted', async () => {
    let value = 40;
    await using desk = await Desk.open();
    await desk.peer('pi', {
      commands: [
        ...builtinCommands,
        { name: 'degrees', summary: 'of a sensor', args: [], idempotent: true, run: () => (value += 1) },
      ],
    });
    await using person = await chromium.at(desk);
    const { page } = person;
    await go(page, 'Ask');
    await ask(page, 'time');
    await page.getByRole('article', { name: 'time of pi' }).getByText('"uptime"').waitFor();
    await ask(page, 'help');
    await page.getByRole('article', { name: 'help of pi' }).getByText('"lucky"').waitFor();

    await page.getByLabel('Command').selectOption('lucky');
    await page.getByLabel(/^min/).fill('7');
    await page.getByLabel(/^max/).fill('7');
    await page.getByRole('button', { name: 'Ask lucky' }).click();
    const lucky = page.getByRole('article', { name: 'lucky of pi' });
    await lucky.getByText('7', { exact: true }).waitFor();
    await expect.poll(() => lucky.textContent()).toMatch(/\d ms/);
    await page.getByRole('button', { name: 'Ask lucky of pi again' }).click();
    await expect.poll(() => lucky.count()).toBe(2);
    await page.reload();
    await expect.poll(() => lucky.count()).toBe(2); // they stay

    await page.getByLabel('Command').selectOption('degrees');
    await page.getByLabel(/every … seconds/).fill('0.02');
    await page.getByRole('button', { name: 'Watch' }).click();
    const watching = page.getByRole('region', { name: 'Watching degrees of pi' });
    await expect
      .poll(async () => numberIn(await watching.getByText(/live, \d+ values/).textContent()))
      .toBeGreaterThan(20);
    // It is drawn: the canvas has pixels of the line.
    const isDrawn = await watching.locator('canvas').evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? {
        data: [],
      };
      return data.some((level, i) => i % 4 === 3 && level > 0);
    });
    expect(isDrawn).toBe(true);
    await watching.getByRole('button', { name: 'Stop watching' }).click();
    await watching.waitFor({ state: 'detached' });
    expect(person.complaints).toEqual([]);
  });

  test('what is written while one side is away waits, and is delivered when it is back', async () => {
    await using mac = await Desk.open();
    const pi = await Desk.open();
    await mac.trusts(pi, 'pi');
    await pi.trusts(mac, 'mac');
    const folder = await pi.leave();
    await using me = await chromium.at(mac);
    await go(me.page, 'Chat');
    await write(me.page, 'pi', 'Are you there?\nIt is <b>cold</b>.');
    await me.page.getByText('1 waiting').waitFor();
    const mine = me.page.locator('.message.out');
    await expect.poll(() => mine.textContent()).toContain('waiting');

    await using back = await Desk.open({}, folder);
    await using other = await chromium.at(back);
    await expect.poll(() => other.page.title()).toBe('(1) Peers · udp-tool');
    await go(other.page, /^Chat/);
    await other.page.locator('.message.in').getByText('It is <b>cold</b>.').waitFor();
    await expect.poll(() => mine.textContent()).toContain('✓ delivered');
    await expect.poll(() => other.page.title()).toBe('Chat · udp-tool'); // it is read

    await write(other.page, 'mac', 'Back again.');
    await me.page.locator('.message.in').getByText('Back again.').waitFor();
    await expect.poll(() => other.page.locator('.message.out').textContent()).toContain('✓ delivered');
    // Also with who is paused, or trusted no more, what was written can be read, and forgotten.
    await mac.store.changePeer('pi', (entry) => ({ ...entry, paused: true }));
    await me.page.getByText('pi is paused.').waitFor();
    await mac.store.removePeer('pi');
    await me.page.getByRole('link', { name: /^udp1/ }).click();
    await me.page.getByText('This machine is trusted no more.').waitFor();
    expect(await me.page.getByLabel(/^Message to/).count()).toBe(0);
    await me.page.getByRole('button', { name: 'Forget this conversation' }).click();
    await me.page.getByRole('dialog').getByRole('button', { name: 'Forget this conversation' }).click();
    await me.page.getByText('There is no such conversation.').waitFor();
    expect([...me.complaints, ...other.complaints]).toEqual([]);
  });

  test('100 MB that are dropped here are fetched there, with a pause and a restart', async () => {
    await using mac = await Desk.open();
    const pi = await Desk.open();
    await mac.trusts(pi, 'pi');
    await pi.trusts(mac, 'mac');
    const source = join(mac.folder, 'large.bin');
    await writeFile(source, randomBytes(100_000_000));
    await using me = await chromium.at(mac);
    await using other = await chromium.at(pi);
    await go(me.page, 'Files');
    await me.page.getByLabel('Files', { exact: true }).setInputFiles(source);
    await me.page.getByRole('button', { name: 'Remove: large.bin' }).waitFor();

    await go(other.page, 'Files');
    const get = other.page.getByRole('button', { name: 'Get: large.bin' });
    await expect
      .poll(async () => {
        if (await get.isVisible()) return true;
        await other.page.getByRole('button', { name: 'Look again' }).click();
        return false;
      })
      .toBe(true);
    await get.click();
    const transfer = other.page.getByRole('article', { name: /^large\.bin/ });
    await transfer.getByRole('button', { name: 'Pause: large.bin' }).click();
    await transfer.getByText('paused').waitFor();
    const done = Number(await transfer.getByRole('progressbar').getAttribute('value'));
    expect(done).toBeLessThan(1);
    expect(await readdir(join(pi.folder, 'inbox'))).not.toContain('large.bin');
    // Started anew, it is where it was.
    const folder = await pi.leave();
    await using again = await Desk.open({}, folder);
    await other.page.goto(again.gui.newLink());
    await go(other.page, 'Files');
    await transfer.getByRole('button', { name: 'Resume: large.bin' }).click();
    await transfer.getByText('from mac done').waitFor({ timeout: 60_000 });
    expect(await hashOf(join(pi.folder, 'inbox', 'large.bin'))).toBe(await hashOf(source));
    expect([...me.complaints, ...other.complaints]).toEqual([]);
  });

  test('a push is shown with all that is in it, and refused; pushed anew, it is taken', async () => {
    await using mac = await Desk.open();
    await using pi = await Desk.open();
    await mac.trusts(pi, 'pi');
    await pi.trusts(mac, 'mac');
    const gift = join(mac.folder, 'gift');
    await mkdir(join(gift, 'inner'), { recursive: true });
    await writeFile(join(gift, 'inner', 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
    await writeFile(join(gift, 'note.txt'), 'hello');
    await using me = await chromium.at(mac);
    await using other = await chromium.at(pi);
    await go(me.page, 'Files');
    await me.page.getByLabel(/push them to one peer/).check();
    const push = async (): Promise<void> => {
      await me.page.getByLabel(/Or where it is/).fill(gift);
      await me.page.getByRole('button', { name: 'Push it to pi' }).click();
    };
    await push();
    await go(other.page, /^Files 1 to answer/);
    const question = other.page.getByRole('region', { name: 'mac wants to give you a folder' });
    await expect.poll(() => question.textContent()).toContain('inner/run.shcan be run');
    expect(await question.textContent()).toContain('note.txt5 B');
    await question.getByRole('button', { name: 'Refuse: gift' }).click();
    await me.page.getByRole('article', { name: 'gift to pi' }).getByText('to pi refused').waitFor();
    expect(await readdir(join(pi.folder, 'inbox'))).toEqual([]);

    await push();
    await question.getByRole('button', { name: 'Take it: gift' }).click();
    await me.page.getByRole('article', { name: 'gift to pi' }).first().getByText('to pi done').waitFor();
    expect(await readFile(join(pi.folder, 'inbox', 'gift', 'note.txt'), 'utf8')).toBe('hello');
    expect([...me.complaints, ...other.complaints]).toEqual([]);
  });

  test('a permission that is taken away is gone at once, and comes back', async () => {
    await using desk = await Desk.open();
    const pi = await desk.peer('pi');
    await using person = await chromium.at(desk);
    const { page } = person;
    await page.getByRole('link', { name: /^pi/ }).click();
    const asked = async (): Promise<string> => {
      try {
        await pi.peer('desk').request('lucky', []);
        return 'answered';
      } catch (error) {
        return error instanceof UdpToolError ? error.code : String(error);
      }
    };
    // The peer learned where this machine is by the ping of the page.
    await page.getByText(/^median/).waitFor();
    await expect.poll(asked).toBe('answered');
    await page
      .getByRole('group', { name: 'What pi may call here' })
      .getByLabel(/^lucky/)
      .click();
    await expect.poll(asked).toBe('unknown-command');
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Trust again' }).waitFor();
    await page.getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('heading', { name: 'No peers yet' }).waitFor();
    expect(await desk.store.peers()).toEqual([]);
    expect(person.complaints).toEqual([]);
  });

  test('a folder that is chosen, and a file that is dropped, are offered until they are removed', async () => {
    await using desk = await Desk.open();
    const album = join(desk.folder, 'album');
    await mkdir(join(album, 'inner'), { recursive: true });
    await writeFile(join(album, 'inner', 'a.txt'), 'a');
    await writeFile(join(album, 'b.txt'), 'bb');
    await using person = await chromium.at(desk);
    const { page } = person;
    await go(page, 'Files');
    await page.getByLabel('A folder').setInputFiles(album);
    const offered = page.getByRole('region', { name: 'What you offer' });
    await offered.getByText('3 B, 2 files').waitFor();
    const dropped = join(desk.folder, 'keys', 'dropped');
    expect(await readdir(dropped)).toHaveLength(1);
    await offered.getByRole('button', { name: 'Remove: album' }).click();
    await offered.getByText('Nothing yet.').waitFor();
    await expect.poll(() => readdir(dropped)).toEqual([]);

    const transfer = await page.evaluateHandle(() => {
      const dropped = new DataTransfer();
      dropped.items.add(new File(['hello'], 'drop.txt'));
      return dropped;
    });
    await page.dispatchEvent('.drop', 'drop', { dataTransfer: transfer });
    await offered.getByRole('button', { name: 'Remove: drop.txt' }).click();
    await offered.getByText('Nothing yet.').waitFor();

    await page.getByLabel(/Or where it is/).fill('album');
    await page.getByRole('button', { name: 'Offer it' }).click();
    await page.getByText('Give the whole path').waitFor();
    await page.getByLabel(/Or where it is/).fill(join(desk.folder, 'absent'));
    await page.getByRole('button', { name: 'Offer it' }).click();
    await page.getByText('there is no such file or folder').waitFor();
    await page.getByLabel(/Or where it is/).fill(join(desk.folder, 'keys'));
    await page.getByRole('button', { name: 'Offer it' }).click();
    await page.getByText(/Cannot share .*keys/).waitFor();
    await offered.getByText('Nothing yet.').waitFor();
    expect(person.complaints).toEqual([]);
  });

  test('a page that was open is over when udp-tool was started anew; by the new link it offers what it offered', async () => {
    const before = await Desk.open();
    await using person = await chromium.at(before);
    const { page } = person;
    await go(page, 'Files');
    const file = join(before.folder, 'note.txt');
    await writeFile(file, 'hello');
    await page.getByLabel(/Or where it is/).fill(file);
    await page.getByRole('button', { name: 'Offer it' }).click();
    await page.getByRole('button', { name: 'Remove: note.txt' }).waitFor();
    const { webPort } = before.gui;
    const folder = await before.leave();
    await page.getByText('udp-tool does not answer; waiting for it').waitFor();
    await page.getByText('Was udp-tool started anew?').waitFor();
    await using after = await Desk.open({ webPort }, folder);
    await page.getByRole('heading', { name: 'Logged out' }).waitFor();
    await page.getByText('press Enter for a new link').waitFor();
    await page.goto(after.gui.newLink());
    await page.getByText('Live').waitFor();
    await go(page, 'Files');
    await page.getByRole('region', { name: 'What you offer' }).getByText('5 B').waitFor();
    await page.getByRole('button', { name: 'Remove: note.txt' }).click();
    await page.getByText('Nothing yet.').waitFor();
    expect(person.complaints).toEqual([]);
  });

  test('who logged out comes in by a new link in the same tab, and by no old one', async () => {
    await using desk = await Desk.open();
    await using person = await chromium.person();
    const { page } = person;
    const link = desk.gui.newLink();
    await page.goto(link);
    await page.getByText('Live').waitFor();
    expect(page.url()).toBe(`${desk.origin}/#/`); // nobody reads the token there
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Logged out' }).waitFor();
    await page.goto(link);
    await page.getByText('That link was used, or is too old').waitFor();
    await page.goto(desk.gui.newLink());
    await page.getByText('Live').waitFor();
    expect(person.complaints).toEqual([]);
  });

  test('a page that only looks shows all, and changes nothing', async () => {
    await using desk = await Desk.open({ isReadOnly: true });
    const pi = await desk.peer('pi');
    await using person = await chromium.at(desk);
    const { page } = person;
    await page.getByText('This page only looks').waitFor();
    await page.getByRole('link', { name: /^pi/ }).click();
    await page.getByText(/^median/).waitFor();
    for (const name of ['Pause', 'Remove'])
      expect(await page.getByRole('button', { name }).isDisabled()).toBe(true);
    expect(await page.getByRole('checkbox', { name: /^lucky/ }).isDisabled()).toBe(true);
    await go(page, 'Ask');
    await page.getByLabel('Command').waitFor();
    for (const name of [/^Ask/, 'Watch'])
      expect(await page.getByRole('button', { name }).isDisabled()).toBe(true);
    await go(page, 'Chat');
    expect(await page.getByLabel('Message to pi').count()).toBe(0);
    await go(page, 'Files');
    expect(await page.getByRole('button', { name: 'Offer it' }).count()).toBe(0);
    await go(page, 'Wire');
    await pi.peer('desk').request('lucky', []);
    await expect
      .poll(async () => {
        await pi.peer('desk').request('lucky', []);
        return page.getByRole('row', { name: /REQUEST lucky/ }).count();
      })
      .toBeGreaterThan(0);
    expect(person.complaints).toEqual([]);
  });

  test('a QR code of one page is read by another', async () => {
    await using mac = await Desk.open();
    await using pi = await Desk.open();
    await using me = await chromium.at(mac);
    await using other = await chromium.at(pi);
    await go(other.page, 'This machine');
    const code = other.page.locator('.qr');
    const picture = { name: 'photo.png', mimeType: 'image/png', buffer: await code.screenshot() };
    await me.page.getByLabel('Read a picture').setInputFiles(picture);
    const { publicKey } = await pi.store.loadKeyPair();
    const line = me.page.getByLabel('Line or public key');
    await expect.poll(() => line.inputValue()).toContain(String(publicKey));
    await me.page.getByLabel('Name here').fill('pi');
    await me.page.getByRole('button', { name: 'Trust it' }).click();
    await me.page.getByRole('region', { name: 'pi' }).waitFor();
    expect((await mac.store.peers())[0]?.publicKey.equals(publicKey)).toBe(true);

    const blank = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=',
      'base64',
    );
    await me.page.getByLabel('Read a picture').setInputFiles({ ...picture, buffer: blank });
    await me.page.getByText('There is no QR code in that picture').waitFor();
    expect([...me.complaints, ...other.complaints]).toEqual([]);
  });

  test('a QR code is read by the camera', async () => {
    await using folder = await TemporaryFolder.make();
    const line = peerAddLine({ name: 'pi', publicKey: generateKeyPair().publicKey, at: '192.168.2.3:9999' });
    const film = join(folder.path, 'film.y4m');
    await writeFile(film, filmed(line));
    await using withCamera = await Chromium.launch(
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-video-capture=${film}`,
    );
    await using desk = await Desk.open();
    await using person = await withCamera.at(desk);
    const { page } = person;
    await page.getByRole('button', { name: 'Scan with the camera' }).click();
    await expect.poll(() => page.getByLabel('Line or public key').inputValue()).toBe(line);
    await page.getByRole('button', { name: 'Scan with the camera' }).waitFor(); // it is off again
    expect(person.complaints).toEqual([]);
  });

  test('the wire shows both views of a datagram, and what was dropped', async () => {
    await using desk = await Desk.open();
    const pi = await desk.peer('pi');
    await using person = await chromium.at(desk);
    const { page } = person;
    await go(page, 'Wire');
    await page.getByText('Nothing was dropped').waitFor();
    const row = page.getByRole('row', { name: /REQUEST lucky/ });
    await expect
      .poll(async () => {
        await pi.peer('desk').request('lucky', []);
        return row.count();
      })
      .toBeGreaterThan(0);
    await page.getByRole('button', { name: 'Hold' }).click();
    await row.first().getByRole('button').click();
    const sees = page.getByRole('region', { name: 'What anybody on the way sees' });
    expect(await sees.textContent()).toMatch(/\d+ bytes from 127\.0\.0\.1:\d+0[45] /);
    expect(await sees.textContent()).not.toContain('lucky');
    await page.getByRole('region', { name: 'What was in it' }).getByText('lucky').waitFor();
    await desk.throwAt('x'.repeat(100));
    await page.getByRole('region', { name: 'Dropped, by reason' }).getByText('unknown-type').waitFor();
    expect(person.complaints).toEqual([]);
  });

  test('the doctor says why a peer does not answer', async () => {
    await using desk = await Desk.open();
    const pi = await desk.peer('pi');
    await using person = await chromium.at(desk);
    const { page } = person;
    await go(page, 'Doctor');
    await page.getByText('pi answers.').waitFor();
    await pi.close();
    await page.getByRole('button', { name: 'Examine again' }).click();
    await page
      .getByText(/^Nothing listens on 127\.0\.0\.1:/)
      .first()
      .waitFor();
    expect(person.complaints).toEqual([]);
  });
});

/** One frame of a film that shows a QR code: YUV4MPEG2, of which the first plane is brightness. */
function filmed(text: string): Buffer {
  const [width, height, scale] = [640, 480, 5];
  const { data } = encode(text, { border: 4 });
  const luma = Buffer.alloc(width * height, 0xeb);
  for (const [y, row] of data.entries())
    for (const [x, isDark] of row.entries())
      for (let dy = 0; isDark && dy < scale; dy++)
        luma.fill(0x10, (y * scale + dy) * width + x * scale, (y * scale + dy) * width + (x + 1) * scale);
  const gray = Buffer.alloc(width * height * 0.5, 0x80);
  const head = `YUV4MPEG2 W${width} H${height} F10:1 Ip A1:1 C420\nFRAME\n`;
  return Buffer.concat([Buffer.from(head), luma, gray]);
}

async function ask(page: Page, command: string): Promise<void> {
  await page.getByLabel('Command').selectOption(command);
  await page.getByRole('button', { name: `Ask ${command}` }).click();
}

async function write(page: Page, to: string, text: string): Promise<void> {
  await page.getByLabel(`Message to ${to}`).fill(text);
  await page.getByLabel(`Message to ${to}`).press('Enter');
}

function numberIn(text: string | null): number {
  return Number(/\d+/.exec(text ?? '')?.[0]);
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
