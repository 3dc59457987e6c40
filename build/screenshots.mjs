/**
 * Draws docs/gui/: each page of `udp-tool gui` in light and dark, of real machines on loopback that really talk. Needs
 * Chromium. `npm run screenshots`
 */
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { Gui } from '../dist/gui/gui.js';
import { builtinCommands, createEndpoint, formatAddress, KeyStore } from '../dist/index.js';

const LOOPBACK = '127.0.0.1';
const OUT = fileURLToPath(new URL('../docs/gui/', import.meta.url));
const ASSETS = new URL('../dist/gui/page/', import.meta.url);
const SIZE = { width: 1180, height: 800 };
const NARROW = { width: 390, height: 800 };
const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => existsSync(path));

/** Its path is on some pages, so it is one that looks like somebody's. */
const folder = join(tmpdir(), 'home');
await mkdir(folder);
const closing = [];

async function gui(name, commands = []) {
  const store = new KeyStore(join(folder, name, 'keys'));
  await store.createKeyPair();
  const one = await Gui.begin({
    store,
    stateDir: store.dir,
    inbox: join(folder, name, 'udp-tool'),
    port: 0,
    pairingPort: 0,
    ip: LOOPBACK,
    lan: false,
    withOwnCommands: async (ours) => [...ours, ...commands],
    isReadOnly: false,
    idleMs: 3_600_000,
    assets: ASSETS,
    onTrouble: (text) => process.stderr.write(`${text}\n`),
  });
  closing.push(() => one[Symbol.asyncDispose]());
  return { store, gui: one };
}

async function trust(one, other, name, at) {
  const { publicKey } = await other.store.loadKeyPair();
  await one.store.addPeer({ name, publicKey, allow: ['*'], deny: [], ...(at && { at }) });
}

async function entered(context, { gui }) {
  const page = await context.newPage();
  await page.goto(gui.newLink());
  await page.getByRole('navigation').waitFor();
  return page;
}

let degrees = 41;
const temperature = {
  name: 'temperature',
  summary: 'degrees Celsius of a sensor',
  args: [
    { name: 'sensor', summary: 'which one', type: 'text', default: 'cpu', maxLength: 16 },
    { name: 'digits', summary: 'behind the point', type: 'integer', optional: true, min: 0, max: 3 },
  ],
  run: () => {
    degrees += Math.sin(Date.now() / 700) + (Math.random() - 0.5);
    return Math.round(degrees * 10) / 10;
  },
};

try {
  await mkdir(OUT, { recursive: true });
  const mac = await gui('mac');
  const pi = await gui('pi', [temperature]);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  closing.push(() => browser.close());
  const context = await browser.newContext({ viewport: SIZE, reducedMotion: 'reduce' });
  context.setDefaultTimeout(15_000);
  const [mine, theirs] = [await entered(context, mac), await entered(await browser.newContext(), pi)];

  // They know each other by the address that the page of each shows.
  const addressOf = async (page) => {
    await page.getByRole('link', { name: 'This machine' }).click();
    const text = await page
      .locator('dd', { hasText: /^127\.0\.0\.1:\d+$/ })
      .first()
      .textContent();
    return text.trim();
  };
  const [macAt, piAt] = [await addressOf(mine), await addressOf(theirs)];
  await trust(mac, pi, 'pi', piAt);
  await trust(pi, mac, 'mac', macAt);
  for (const name of ['nas', 'greenhouse']) {
    const store = new KeyStore(join(folder, name));
    const keyPair = await store.createKeyPair();
    const { publicKey } = await mac.store.loadKeyPair();
    const endpoint = await createEndpoint({
      keyPair,
      ip: LOOPBACK,
      peers: [{ name: 'mac', publicKey }],
      commands: builtinCommands,
    });
    closing.push(() => endpoint.close());
    await mac.store.addPeer({ name, publicKey: keyPair.publicKey, at: formatAddress(endpoint.addresses[0]) });
  }
  const absent = await new KeyStore(join(folder, 'attic')).createKeyPair();
  await mac.store.addPeer({ name: 'attic', publicKey: absent.publicKey, at: '127.0.0.1:9' });

  const go = (page, name) => page.getByRole('navigation').getByRole('link', { name }).click();
  await go(mine, 'Peers');
  await mine.getByRole('link', { name: /^pi/ }).click();
  await mine.waitForTimeout(20_000); // for a line worth looking at

  const shoot = async (page, name) => {
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.evaluate(() => scrollTo(0, 0));
      await page.waitForTimeout(400);
      await page.screenshot({ path: join(OUT, `${name}-${colorScheme}.png`) });
    }
  };
  await shoot(mine, 'peers');

  await go(mine, 'Ask');
  await mine.getByLabel('Peer', { exact: true }).selectOption('pi');
  for (const command of ['help', 'time', 'lucky']) {
    await mine.getByLabel('Command').selectOption(command);
    await mine.getByRole('button', { name: `Ask ${command}` }).click();
    await mine
      .getByRole('article', { name: `${command} of pi` })
      .first()
      .waitFor();
  }
  await mine.getByLabel('Command').selectOption('temperature');
  await mine.getByLabel(/^sensor/).fill('cpu');
  await mine.getByLabel(/every … seconds/).fill('0.1');
  await mine.getByRole('button', { name: 'Watch' }).click();
  await mine.waitForTimeout(10_000);
  await shoot(mine, 'ask');
  await mine.getByRole('button', { name: 'Stop watching' }).click();

  await go(mine, 'Chat');
  await go(theirs, 'Chat');
  const say = async (page, to, text) => {
    await page.getByLabel(`Message to ${to}`).fill(text);
    await page.keyboard.press('Enter');
    await page.getByText(text).first().waitFor();
    await page.waitForTimeout(500);
  };
  await mine.getByRole('link', { name: /^pi/ }).click();
  await say(mine, 'pi', 'Is the greenhouse heater on?');
  await say(theirs, 'mac', 'Since six this morning. It is 41 degrees at the sensor by the door.');
  await say(mine, 'pi', 'Then the vent should open. I push the new schedule over.');
  await say(theirs, 'mac', 'Go ahead, I take it.');
  await mine.getByRole('link', { name: /^attic/ }).click();
  await say(mine, 'attic', 'When you are back: the backup of May is on the nas.');
  await mine.getByRole('link', { name: /^pi/ }).click();
  await mine.waitForTimeout(1_000);
  await shoot(mine, 'chat');

  const source = join(folder, 'things');
  await mkdir(join(source, 'schedule', 'vents'), { recursive: true });
  await writeFile(join(source, 'photos-2026.tar'), Buffer.alloc(180_000_000, 1));
  await writeFile(join(source, 'notes.txt'), 'Water on Tuesdays.\n'.repeat(300));
  await writeFile(join(source, 'schedule', 'spring.toml'), 'open = "07:00"\n');
  await writeFile(join(source, 'schedule', 'vents', 'east.toml'), 'angle = 30\n');
  await writeFile(join(source, 'schedule', 'apply.sh'), '#!/bin/sh\n', { mode: 0o755 });
  await go(theirs, 'Files');
  for (const name of ['photos-2026.tar', 'notes.txt']) {
    await theirs.getByLabel(/Or where it is/).fill(join(source, name));
    await theirs.getByRole('button', { name: 'Offer it' }).click();
    await theirs.getByRole('button', { name: `Remove: ${name}` }).waitFor();
  }
  await go(mine, 'Files');
  await mine.getByLabel(/Or where it is/).fill(join(source, 'notes.txt'));
  await mine.getByRole('button', { name: 'Offer it' }).click();
  await mine.getByRole('button', { name: 'Get: notes.txt' }).click();
  await mine.getByRole('button', { name: 'Clear: notes.txt' }).waitFor();
  await theirs.getByLabel(/push them to one peer/).check();
  await theirs.getByLabel(/Or where it is/).fill(join(source, 'schedule'));
  await theirs.getByRole('button', { name: 'Push it to mac' }).click();
  await mine.getByRole('button', { name: 'Take it: schedule' }).waitFor();
  await mine.getByRole('button', { name: 'Get: photos-2026.tar' }).click();
  await mine.getByRole('button', { name: 'Pause: photos-2026.tar' }).click({ delay: 600 });
  await mine.getByRole('button', { name: 'Resume: photos-2026.tar' }).waitFor();
  await shoot(mine, 'files');
  await mine.getByRole('button', { name: 'Refuse: schedule' }).click();

  await go(mine, 'Wire');
  await mine.waitForTimeout(500);
  await go(theirs, 'Ask');
  await theirs.getByLabel('Command').selectOption('help');
  await theirs.getByRole('button', { name: 'Ask help' }).click();
  await theirs.getByRole('article').first().waitFor();
  await mine
    .getByRole('row', { name: /REQUEST help/ })
    .getByRole('button')
    .first()
    .click();
  await shoot(mine, 'wire');

  await go(mine, 'Doctor');
  await mine.getByLabel('Peer', { exact: true }).selectOption('attic');
  await mine.getByRole('table').waitFor();
  await shoot(mine, 'doctor');

  await go(mine, 'This machine');
  await shoot(mine, 'this-machine');
  await mine.setViewportSize(NARROW);
  await go(mine, 'Chat');
  await mine.getByRole('link', { name: /^pi/ }).click();
  await shoot(mine, 'narrow');
} finally {
  for (const close of closing.reverse()) await close();
  await rm(folder, { recursive: true, force: true });
}
