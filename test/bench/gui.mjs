/**
 * What the page of `udp-tool gui` costs, in Debian's Chromium: how soon it can be used, how large it is, what it takes
 * while nobody does anything, and how it scrolls with 1,000 peers and 10,000 messages. `npm run bench:gui`
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';
import { AtRestKey } from '../../dist/crypto/at-rest.js';
import { generateKeyPair, KeyStore } from '../../dist/index.js';
import { ConversationFile } from '../../dist/messages/conversation-file.js';
import { random } from '../../dist/transport/random.js';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => existsSync(path));
const LOOPBACK = '127.0.0.1';
const ROUNDS = 7;
const IDLE_MS = 20_000;
const PEERS = 1_000;
const MESSAGES = 10_000;
const TICKS_PER_SECOND = 100; // what /proc counts in (proc_pid_stat(5), on every Linux that Node runs on)

const say = (line) => process.stdout.write(`${line}\n`);
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const folder = await mkdtemp(join(tmpdir(), 'udp-tool-bench-'));

/** The command line itself, as a person starts it. */
async function start(keys) {
  const args = ['gui', '--keys', keys, '--port', '0', '--host', LOOPBACK, '--no-lan', '--json'];
  const child = spawn(
    process.execPath,
    [join(DIST, 'cli/udp-tool.js'), ...args, '--inbox', join(folder, 'inbox')],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const links = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { event, url } = JSON.parse(line);
    if (event === 'link') links.push(url);
  });
  let isFirst = true;
  const link = async () => {
    if (!isFirst) child.stdin.write('\n'); // the one before is good for nothing from then on
    isFirst = false;
    while (links.length === 0) await sleep(5);
    return links.shift();
  };
  return { pid: child.pid, link, stop: () => new Promise((done) => child.once('exit', done).kill('SIGINT')) };
}

function cpuSeconds(pids) {
  let ticks = 0;
  for (const pid of pids) {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}

/** A process and all below it. */
function family(root) {
  const parents = new Map();
  for (const name of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'latin1');
      parents.set(Number(name), Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {} // it ended
  }
  const all = [root];
  for (const pid of all) for (const [child, parent] of parents) if (parent === pid) all.push(child);
  return all;
}

const sizes = ['index.html', 'app.js', 'app.css', 'icon.svg'].map(
  (name) => gzipSync(readFileSync(join(DIST, 'gui/page', name)), { level: 9 }).length,
);
say(`assets, gzip: ${(sizes.reduce((sum, size) => sum + size, 0) / 1000).toFixed(1)} kB (goal: below 150)`);

const keys = join(folder, 'keys');
const store = new KeyStore(keys);
const keyPair = await store.createKeyPair();
const server = await chromium.launchServer({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
const browser = await chromium.connect(server.wsEndpoint());
try {
  let gui = await start(keys);
  const times = [];
  for (let round = 0; round < ROUNDS; round++) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const link = await gui.link();
    const beganAt = performance.now();
    await page.goto(link);
    await page.getByText('Live').waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'Ask' }).click();
    await page.getByRole('heading', { name: 'Ask' }).waitFor();
    times.push(performance.now() - beganAt);
    await context.close();
  }
  say(
    `from the link to a click that was answered: median ${median(times).toFixed(0)} ms, worst ${Math.max(...times).toFixed(0)} ms (goal: below 1,000)`,
  );

  const idle = await (await browser.newContext()).newPage();
  await idle.goto(await gui.link());
  await idle.getByText('Live').waitFor();
  await sleep(3_000);
  const before = [cpuSeconds([gui.pid]), cpuSeconds(family(server.process().pid))];
  await sleep(IDLE_MS);
  const after = [cpuSeconds([gui.pid]), cpuSeconds(family(server.process().pid))];
  const percent = after.map((value, i) => (((value - before[i]) * 1000 * 100) / IDLE_MS).toFixed(2));
  say(
    `idle for ${IDLE_MS / 1000} s: udp-tool ${percent[0]} %, the browser ${percent[1]} % of a core (goal: below 1)`,
  );
  await idle.context().close();
  await gui.stop();

  // A thousand peers, and ten thousand messages with one of them.
  const writer = generateKeyPair().publicKey;
  await store.addPeer({ name: 'writer', publicKey: writer });
  for (let i = 1; i < PEERS; i++)
    await store.addPeer({
      name: `machine-${i}`,
      publicKey: generateKeyPair().publicKey,
      at: `${LOOPBACK}:9`,
    });
  const stored = await ConversationFile.load(
    join(keys, 'history', `${writer}.log`),
    writer,
    new AtRestKey(keyPair.secretKey, random),
    { maxMessages: MESSAGES, maxBytes: 64 * 1024 * 1024 },
    say,
  );
  await stored.add(
    'in',
    Array.from({ length: MESSAGES }, (_, i) => ({
      id: i.toString(16).padStart(32, '0'),
      peer: writer,
      text: `Message ${i + 1}: ${'all is well here. '.repeat(1 + (i % 7))}`,
      writtenAt: Date.now() - (MESSAGES - i) * 60_000,
    })),
  );
  gui = await start(keys);
  const context = await browser.newContext({ viewport: { width: 1180, height: 800 } });
  const page = await context.newPage();
  await page.goto(await gui.link());
  await page.getByText('Live').waitFor();
  await page.getByRole('navigation').getByRole('link', { name: 'Peers' }).click();
  await page.getByRole('button', { name: /^Show more/ }).click();
  await page.getByText('machine-999').waitFor({ state: 'attached' });
  say(`${PEERS} peers, scrolled: ${await scrolled(page, '.list')}`);
  await page.getByRole('navigation').getByRole('link', { name: /^Chat/ }).click();
  await page.locator('.message', { hasText: `Message ${MESSAGES}:` }).waitFor();
  const beganAt = performance.now();
  for (;;) {
    const older = page.getByRole('button', { name: 'Older messages' });
    if ((await older.count()) === 0) break;
    await older.click({ timeout: 2_000 }).catch(() => {}); // the last one goes away
    await page.waitForTimeout(20);
  }
  const shown = await page.locator('.message').count();
  say(`${shown} messages are on the page, loaded in ${((performance.now() - beganAt) / 1000).toFixed(1)} s`);
  say(`${shown} messages, scrolled: ${await scrolled(page, '.messages')}`);
  await gui.stop();
} finally {
  await browser.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
}

/** Three seconds of a wheel that turns as fast as a hand can, and how long the frames were. */
async function scrolled(page, selector) {
  const frames = await page.evaluate(async (chosen) => {
    const element = document.querySelector(chosen);
    element.scrollTop = 0;
    await new Promise((done) => setTimeout(done, 500));
    const times = [];
    const beganAt = performance.now();
    let before = beganAt;
    while (before - beganAt < 3_000) {
      const now = await new Promise((done) => requestAnimationFrame(done));
      times.push(now - before);
      before = now;
      element.scrollTop += 120;
    }
    return times.slice(1);
  }, selector);
  const long = frames.filter((time) => time > 34).length;
  const sorted = frames.toSorted((a, b) => a - b);
  const p = (part) => sorted[Math.floor((sorted.length - 1) * part)].toFixed(1);
  return `median frame ${p(0.5)} ms, 95 % within ${p(0.95)} ms, worst ${p(1)} ms, ${long} of ${frames.length} longer than two frames`;
}
