/** Another user of the machine, who has the port of the page while udp-tool does not run. */
import { createHash } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import {
  type AddressInfo,
  connect,
  createServer as createNetServer,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Chromium, Desk, go, NO_BROWSER } from '../support/gui.ts';
import { ask, entered } from '../support/page-requests.ts';
import { LOOPBACK } from '../support/relay.ts';

class Squatter implements AsyncDisposable {
  /** What browsers asked. */
  readonly asked: IncomingMessage[] = [];
  readonly #server: Server;

  private constructor(answer: RequestListener) {
    this.#server = createServer((request, response) => {
      this.asked.push(request);
      answer(request, response);
    });
  }

  static async at(port: number, answer: RequestListener): Promise<Squatter> {
    const squatter = new Squatter(answer);
    await new Promise<void>((done) => squatter.#server.listen(port, LOOPBACK, done));
    return squatter;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done));
    this.#server.closeAllConnections();
    await closed;
  }
}

/** As `ssh -L` has it. */
class Tunnel implements AsyncDisposable {
  readonly port: number;
  readonly #server: NetServer;
  readonly #ends: Set<Socket>;

  private constructor(server: NetServer, ends: Set<Socket>) {
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    this.#ends = ends;
  }

  /** @param from any free port if not given */
  static async to(port: number, from = 0): Promise<Tunnel> {
    const ends = new Set<Socket>();
    const server = createNetServer((near) => {
      const far = connect(port, LOOPBACK);
      for (const [end, other] of [
        [near, far],
        [far, near],
      ] as const) {
        ends.add(end);
        end.on('error', () => {}).once('close', () => other.destroy());
        end.pipe(other);
      }
    });
    await new Promise<void>((done) => server.listen(from, LOOPBACK, done));
    return new Tunnel(server, ends);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done));
    for (const end of this.#ends) end.destroy();
    await closed;
  }
}

function expectOnlyChallenges({ asked }: Squatter): void {
  for (const { method, url, headers } of asked) {
    expect(`${method} ${url}`).toMatch(/^GET \/api\/proof\?challenge=[0-9a-f-]{36}$/);
    expect(headers).not.toHaveProperty('x-page-key');
  }
}

async function expectNothingOpensWith(headers: Readonly<Record<string, string>>, desk: Desk): Promise<void> {
  expect((await ask(desk, '/api/used', { headers })).status).toBe(401);
  expect((await ask(desk, '/api/events', { method: 'GET', headers, isStream: true })).status).toBe(401);
  const body = JSON.stringify({ path: desk.folder });
  expect((await ask(desk, '/api/files/share', { headers, body })).status).toBe(401);
}

test('no session outlives udp-tool, nor is anything of the door on the disk', async () => {
  const { desk, session } = await entered();
  const { webPort } = desk.gui;
  expect((await ask(desk, '/api/used', { headers: session })).status).toBe(200);
  const folder = await desk.leave();
  const stateDir = join(folder.path, 'keys');
  expect(await readdir(stateDir)).not.toContain('gui.json');
  await using again = await Desk.open({ webPort }, folder);
  await expectNothingOpensWith(session, again);
  expect(await readdir(stateDir)).not.toContain('gui.json');
});

test('sessions that were kept by an older udp-tool are neither believed nor kept', async () => {
  const desk = await Desk.open();
  const { webPort } = desk.gui;
  const folder = await desk.leave();
  const [cookie, pageKey] = ['a'.repeat(43), 'b'.repeat(43)];
  const hash = createHash('sha256').update(`${cookie}.${pageKey}`).digest('hex');
  const file = join(folder.path, 'keys', 'gui.json');
  await writeFile(file, JSON.stringify({ webPort, sessions: [{ hash, usedAt: Date.now() }] }));
  await using again = await Desk.open({ webPort }, folder);
  expect(await readdir(join(folder.path, 'keys'))).not.toContain('gui.json');
  await expectNothingOpensWith(
    {
      origin: again.origin,
      'content-type': 'application/json',
      cookie: `udp-tool-${webPort}=${cookie}`,
      'x-page-key': pageKey,
    },
    again,
  );
});

test.skipIf(NO_BROWSER)(
  'an open page gives whoever has the port neither its key nor what is done on it',
  async () => {
    await using chromium = await Chromium.launch();
    const desk = await Desk.open();
    const { origin } = desk;
    const { webPort } = desk.gui;
    await using person = await chromium.at(desk);
    const { page } = person;
    await go(page, 'Doctor');
    const folder = await desk.leave();
    const squatter = await Squatter.at(webPort, (_, response) => void response.writeHead(503).end());
    await expect.poll(() => squatter.asked.length).toBeGreaterThan(1); // it asks again by itself
    await page.getByRole('button', { name: 'Examine again' }).click();
    await page.getByText('udp-tool does not run any more.').waitFor();
    await squatter[Symbol.asyncDispose]();
    expectOnlyChallenges(squatter);
    const cookie = String(squatter.asked[0]?.headers.cookie); // browsers give that to any port

    await using again = await Desk.open({ webPort }, folder);
    const headers = { origin, 'content-type': 'application/json', cookie };
    await expectNothingOpensWith(headers, again);
    // The tab says so, and is let in by a new link.
    await page.getByRole('heading', { name: 'Logged out' }).waitFor();
    await page.getByText('press Enter for a new link').waitFor();
    await page.goto(again.gui.newLink());
    await page.getByText('Live').waitFor();
    await expectNothingOpensWith(headers, again);
    expect(person.complaints).toEqual([]);
  },
);

test.skipIf(NO_BROWSER)('an open page does not believe whoever has the port', async () => {
  await using chromium = await Chromium.launch();
  const desk = await Desk.open();
  await using person = await chromium.at(desk);
  const { webPort } = desk.gui;
  const folder = await desk.leave();
  await using _folder = folder;
  await using squatter = await Squatter.at(webPort, ({ url }, response) => {
    if (url?.startsWith('/api/events')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: []\n\n'); // enough for the page to be "Live"
    } else {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ proof: '0'.repeat(64) }));
    }
  });
  await person.page.getByRole('heading', { name: 'Logged out' }).waitFor();
  expect(squatter.asked.length).toBeGreaterThan(0);
  expectOnlyChallenges(squatter);
});

test.skipIf(NO_BROWSER)(
  'a page behind a tunnel that was away goes on, and told nobody its key meanwhile',
  async () => {
    await using chromium = await Chromium.launch();
    await using desk = await Desk.open();
    await using person = await chromium.person();
    const { page } = person;
    const tunnel = await Tunnel.to(desk.gui.webPort);
    await page.goto(desk.gui.newLink().replace(`:${desk.gui.webPort}/`, `:${tunnel.port}/`));
    await page.getByText('Live').waitFor();
    await tunnel[Symbol.asyncDispose]();
    const squatter = await Squatter.at(tunnel.port, (_, response) => void response.writeHead(503).end());
    await expect.poll(() => squatter.asked.length).toBeGreaterThan(0);
    await squatter[Symbol.asyncDispose]();
    await page.getByText('udp-tool does not answer').waitFor();
    expectOnlyChallenges(squatter);
    await using _again = await Tunnel.to(desk.gui.webPort, tunnel.port);
    await page.getByText('Live').waitFor();
    expect(person.complaints).toEqual([]);
  },
);

test.skipIf(NO_BROWSER)('what the squatter leaves in the browser meets no link of udp-tool', async () => {
  await using chromium = await Chromium.launch();
  const desk = await Desk.open();
  const { webPort } = desk.gui;
  await using person = await chromium.at(desk);
  const { page } = person;
  const folder = await desk.leave();
  // A service worker stays after who planted it, and answers for all of that port in this browser.
  const planted = `<!doctype html><title>planted</title>`;
  const worker = `
    addEventListener('install', () => skipWaiting());
    addEventListener('activate', (event) => event.waitUntil(clients.claim()));
    addEventListener('fetch', (event) => event.respondWith(
      new Response('${planted}', { headers: { 'content-type': 'text/html' } })));`;
  await using squatter = await Squatter.at(webPort, ({ url }, response) => {
    response.setHeader('content-type', url === '/worker.js' ? 'text/javascript' : 'text/html');
    response.end(url === '/worker.js' ? worker : '<!doctype html><title>squatter</title>');
  });
  await page.reload(); // as a person does where a page does not go on
  expect(await page.title()).toBe('squatter');
  await page.evaluate(async () => {
    await navigator.serviceWorker.register('/worker.js');
    await navigator.serviceWorker.ready;
  });
  await squatter[Symbol.asyncDispose]();
  await page.reload();
  expect(await page.title()).toBe('planted'); // nobody is at that port any more

  await using again = await Desk.open({}, folder);
  await page.goto(again.gui.newLink());
  await page.getByText('Live').waitFor();
});
