/** Everybody but the page, at the page's door. */

import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Chromium, Desk, NO_BROWSER } from '../support/gui.ts';
import { ask, entered } from '../support/page-requests.ts';

test('the cookie is out of the reach of scripts and of other sites', async () => {
  const { desk, answer } = await entered();
  await using _desk = desk;
  expect(answer.status).toBe(200);
  const [cookie = ''] = answer.headers['set-cookie'] ?? [];
  expect(cookie).toContain(`udp-tool-${desk.gui.webPort}=`);
  expect(cookie).toContain('; HttpOnly');
  expect(cookie).toContain('; SameSite=Strict');
  expect(cookie).toContain('; Path=/api/');
});

test('a token opens once', async () => {
  const { desk, own, token } = await entered();
  await using _desk = desk;
  const again = await ask(desk, '/api/enter', { headers: own, body: JSON.stringify({ token }) });
  expect(again.status).toBe(401);
  expect(again.headers['set-cookie']).toBeUndefined();
  expect(JSON.parse(again.body)).toMatchObject({ error: { code: 'bad-token' } });
});

test('without both secrets nothing is told and nothing done', async () => {
  const { desk, own, session } = await entered({ withKey: false });
  await using _desk = desk;
  const { cookie, 'x-page-key': pageKey } = session;
  const without: Record<string, string>[] = [
    own,
    { ...own, cookie },
    { ...own, 'x-page-key': pageKey },
    { ...session, 'x-page-key': `${pageKey}x` },
    { ...session, cookie: `${cookie}x` },
    { ...session, cookie: cookie.replace(/-\d+=/, '-1=') },
  ];
  for (const headers of without) {
    expect((await ask(desk, '/api/setup/make-key', { headers })).status).toBe(401);
    expect((await ask(desk, '/api/events', { method: 'GET', headers })).status).toBe(401);
    expect((await ask(desk, '/api/used', { headers })).status).toBe(401);
  }
  await expect(desk.store.loadKeyPair()).rejects.toMatchObject({ code: 'key-missing' });
  // And with both it is.
  expect((await ask(desk, '/api/setup/make-key', { headers: session })).status).toBe(200);
  await desk.store.loadKeyPair();
});

test.each(['/', '/app.js', '/api/events', '/api/enter', '/api/ask/run', '/nothing'])(
  'a name that was pointed at this machine reaches nothing: %s',
  async (path) => {
    const { desk, session } = await entered();
    await using _desk = desk;
    const wrong = `evil.example:${desk.gui.webPort}`;
    const headers = { ...session, host: wrong, origin: `http://${wrong}`, 'sec-fetch-site': 'same-origin' };
    for (const method of ['GET', 'POST']) {
      const { status, body } = await ask(desk, path, { method, headers });
      expect(status).toBe(421);
      expect(body).not.toContain('udp1');
    }
  },
);

test.each([
  ['no origin', { origin: undefined }],
  ['another origin', { origin: 'https://evil.example' }],
  ['another port of this machine', { origin: 'http://127.0.0.1:1' }],
  ['a sandboxed frame', { origin: 'null' }],
  ['another site', { 'sec-fetch-site': 'cross-site' }],
  ['the same site', { 'sec-fetch-site': 'same-site' }],
  ['typed by hand', { 'sec-fetch-site': 'none' }],
])(
  'a write of %s is refused, with both secrets',
  async (_name, change: Record<string, string | undefined>) => {
    const { desk, session } = await entered({ withKey: false });
    await using _desk = desk;
    const headers = Object.fromEntries(
      Object.entries({ ...session, ...change }).filter(([, value]) => value !== undefined),
    ) as Record<string, string>;
    const { status } = await ask(desk, '/api/setup/make-key', { headers });
    expect(status).toBe(403);
    await expect(desk.store.loadKeyPair()).rejects.toMatchObject({ code: 'key-missing' });
  },
);

test('what forms can send is not taken, nor what is too long, nor what is no JSON', async () => {
  const { desk, session } = await entered();
  await using _desk = desk;
  const post = (headers: Record<string, string>, body: string) =>
    ask(desk, '/api/peers/add', { headers: { ...session, ...headers }, body });
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])
    expect((await post({ 'content-type': type }, '{}')).status).toBe(415);
  expect((await post({}, '{')).status).toBe(400);
  expect((await post({}, '[]')).status).toBe(422);
  expect((await post({}, JSON.stringify({ line: 'x'.repeat(300_000) }))).status).toBe(413);
  expect((await post({}, JSON.stringify({ line: 5 }))).status).toBe(422);
  expect((await post({}, '{"__proto__":{"line":"udp1"}}')).status).toBe(422);
});

test('bytes are taken of the page alone, for what it began to drop, and as bytes', async () => {
  const { desk, own, session } = await entered();
  await using _desk = desk;
  const begun = await ask(desk, '/api/files/drop', { headers: session, body: '{"name":"note.txt"}' });
  const { drop } = JSON.parse(begun.body) as { drop: string };
  const upload = async (headers: Record<string, string>, query = `drop=${drop}&path=`) =>
    (await ask(desk, `/api/files/upload?${query}`, { headers, body: 'x'.repeat(300_000) })).status;
  const type = { 'content-type': 'application/octet-stream' };
  expect(await upload({ ...own, ...type })).toBe(401);
  expect(await upload({ ...session, ...type, origin: 'https://evil.example' })).toBe(403);
  for (const other of ['text/plain', 'multipart/form-data', 'application/json'])
    expect(await upload({ ...session, 'content-type': other })).toBe(415);
  for (const query of ['', `drop=${drop}`, 'drop=../..&path=', `drop=${drop}&path=../x`, 'drop=ab&path='])
    expect(await upload({ ...session, ...type }, query), query).toBe(422);
  expect(await readdir(join(desk.folder, 'keys', 'dropped')).catch(() => [])).toEqual([]);
  expect(await upload({ ...session, ...type })).toBe(200);
  expect(await readdir(join(desk.folder, 'keys', 'dropped', drop))).toEqual(['note.txt']);
});

test('no other origin is ever answered what it asks before it writes', async () => {
  const { desk, session } = await entered();
  await using _desk = desk;
  const headers = {
    ...session,
    origin: 'https://evil.example',
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'content-type,x-page-key',
  };
  for (const path of ['/', '/api/enter', '/api/ask/run']) {
    const answer = await ask(desk, path, { method: 'OPTIONS', headers });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  }
});

test('with --read-only what changes something is refused, and what looks is not', async () => {
  const { desk, session } = await entered({ isReadOnly: true });
  await using _desk = desk;
  await desk.peer('pi');
  const { body: remove } = await ask(desk, '/api/peers/remove', {
    headers: session,
    body: JSON.stringify({ name: 'pi' }),
  });
  expect(JSON.parse(remove)).toMatchObject({ error: { code: 'read-only' } });
  expect((await desk.store.peers()).map(({ name }) => name)).toEqual(['pi']);
  for (const action of [
    'setup/make-key',
    'setup/pair',
    'peers/add',
    'peers/pause',
    'peers/permit',
    'ask/run',
    'ask/watch',
    'chat/send',
    'chat/read',
    'chat/discard',
    'chat/forget',
    'files/share',
    'files/offer-to',
    'files/unshare',
    'files/push',
    'files/drop',
    'files/get',
    'files/upload',
    'transfers/answer',
    'transfers/cancel',
  ])
    expect((await ask(desk, `/api/${action}`, { headers: session })).status, action).toBe(403);
  expect((await ask(desk, '/api/events', { method: 'GET', headers: session, isStream: true })).status).toBe(
    200,
  );
});

test('who logs out is out, and a page that nobody uses is let go', async () => {
  const { desk, session } = await entered();
  await using _desk = desk;
  expect((await ask(desk, '/api/leave', { headers: session })).status).toBe(200);
  expect((await ask(desk, '/api/events', { method: 'GET', headers: session })).status).toBe(401);
});

test('every answer carries the policy', async () => {
  await using desk = await Desk.open();
  for (const path of ['/', '/app.js', '/nothing', '/api/events']) {
    const { headers } = await ask(desk, path, { method: 'GET' });
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(policy).not.toContain('http');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['referrer-policy']).toBe('no-referrer');
  }
  const { body } = await ask(desk, '/', { method: 'GET' });
  expect(body).not.toMatch(/<script(?![^>]* src=)|<style|style=|\son\w+=|https?:/);
});

test.skipIf(NO_BROWSER)(
  'a page of another port of this machine can neither read, nor write, nor frame',
  async () => {
    const { desk, session } = await entered({ withKey: false });
    await using _desk = desk;
    await using chromium = await Chromium.launch();
    await using person = await chromium.person();
    // A browser with a session of its own, as the person who is attacked has it.
    await person.page.goto(desk.gui.newLink());
    await person.page.getByRole('button', { name: /Make the key/ }).waitFor();
    const evil = createServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><title>evil</title>');
    });
    await new Promise<void>((done) => evil.listen(0, '127.0.0.1', done));
    try {
      const attacker = await person.context.newPage();
      await attacker.goto(`http://127.0.0.1:${(evil.address() as AddressInfo).port}/`);
      const outcomes = await attacker.evaluate(
        async ([target, pageKey]) => {
          const attempt = (path: string, init: RequestInit) =>
            fetch(`${target}${path}`, { credentials: 'include', ...init }).then(
              (response) => `${response.type} ${response.status}`,
              () => 'refused',
            );
          const json = { 'content-type': 'application/json', 'x-page-key': pageKey ?? '' };
          const frame = document.createElement('iframe');
          frame.src = `${target}/`;
          document.body.append(frame);
          await new Promise((done) => frame.addEventListener('load', done));
          return {
            read: await attempt('/api/events', { headers: { 'x-page-key': pageKey ?? '' } }),
            write: await attempt('/api/setup/make-key', { method: 'POST', headers: json, body: '{}' }),
            form: await attempt('/api/setup/make-key', { method: 'POST', mode: 'no-cors', body: '{}' }),
            script: await attempt('/app.js', { mode: 'no-cors' }),
          };
        },
        [desk.origin, session['x-page-key']],
      );
      expect(attacker.frames().map((frame) => frame.url())).toContain('chrome-error://chromewebdata/');
      expect(outcomes).toMatchObject({ read: 'refused', write: 'refused' });
      expect(['refused', 'opaque 0']).toContain(outcomes.form); // whatever it was, nothing happened
      await expect(desk.store.loadKeyPair()).rejects.toMatchObject({ code: 'key-missing' });
    } finally {
      evil.close();
      evil.closeAllConnections();
    }
  },
);
