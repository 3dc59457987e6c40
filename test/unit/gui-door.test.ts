import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { Door, type SessionSecrets } from '../../src/gui/door.ts';
import { isHostAllowed, isReadAllowed, isWriteAllowed } from '../../src/gui/gatekeeper.ts';

const MINUTE = 60_000;

class Clock {
  now = 1_800_000_000_000;
}

function doorAt(clock: Clock): Door {
  return new Door({ now: () => clock.now, idleMs: 30 * MINUTE });
}

/** A new session. */
function enter(door: Door): SessionSecrets {
  const secrets = door.enter(door.newToken());
  if (secrets === null) throw new Error('no session');
  return secrets;
}

test('a token opens once', () => {
  const door = doorAt(new Clock());
  const token = door.newToken();
  expect(door.enter('')).toBeNull();
  expect(door.enter(`${token}x`)).toBeNull();
  const secrets = door.enter(token);
  expect(secrets).not.toBeNull();
  expect(door.enter(token)).toBeNull();
});

test('a new token ends the one before it, and each is too old after a quarter of an hour', () => {
  const clock = new Clock();
  const door = doorAt(clock);
  const first = door.newToken();
  const second = door.newToken();
  expect(door.enter(first)).toBeNull();
  clock.now += 15 * MINUTE;
  expect(door.enter(second)).toBeNull();
  const third = door.newToken();
  clock.now += 15 * MINUTE - 1;
  expect(door.enter(third)).not.toBeNull();
});

test('neither the cookie nor the page key opens alone', () => {
  const door = doorAt(new Clock());
  const one = enter(door);
  const other = enter(door);
  expect(door.isOpenTo(one)).toBe(true);
  expect(door.isOpenTo({ cookie: one.cookie, pageKey: '' })).toBe(false);
  expect(door.isOpenTo({ cookie: '', pageKey: one.pageKey })).toBe(false);
  expect(door.isOpenTo({ cookie: one.cookie, pageKey: other.pageKey })).toBe(false);
  // Nor does it matter where the one ends and the other begins.
  expect(door.isOpenTo({ cookie: `${one.cookie}.${one.pageKey}`, pageKey: '' })).toBe(false);
});

test('a session that nobody uses ends, one that is used goes on', () => {
  const clock = new Clock();
  const door = doorAt(clock);
  const used = enter(door);
  const left = enter(door);
  clock.now += 20 * MINUTE;
  door.used(used);
  clock.now += 20 * MINUTE;
  expect(door.isOpenTo(used)).toBe(true);
  expect(door.isOpenTo(left)).toBe(false);
  door.used(left); // which does not bring it back
  expect(door.isOpenTo(left)).toBe(false);
  door.leave(used);
  expect(door.isOpenTo(used)).toBe(false);
});

test('the page key is proven to whoever has the cookie, and not told', () => {
  const clock = new Clock();
  const door = doorAt(clock);
  const one = enter(door);
  const other = enter(door);
  // HMAC-SHA256 as Node has it; the page has it of Web Crypto.
  const expected = createHmac('sha256', one.pageKey).update('challenge').digest('hex');
  expect(door.prove(one.cookie, 'challenge')).toBe(expected);
  expect(door.prove(other.cookie, 'challenge')).not.toBe(expected);
  expect(door.prove(one.pageKey, 'challenge')).toBeNull();
  expect(doorAt(clock).prove(one.cookie, 'challenge')).toBeNull();
  door.leave({ cookie: one.cookie, pageKey: other.pageKey }); // which ends nothing
  expect(door.prove(one.cookie, 'challenge')).toBe(expected);
  door.leave(one);
  expect(door.prove(one.cookie, 'challenge')).toBeNull();
  clock.now += 30 * MINUTE;
  expect(door.prove(other.cookie, 'challenge')).toBeNull();
});

test('what opened one process opens no other', () => {
  const clock = new Clock();
  const before = doorAt(clock);
  const secrets = enter(before);
  const token = before.newToken();
  const after = doorAt(clock);
  expect(after.enter(token)).toBeNull();
  expect(after.isOpenTo(secrets)).toBe(false);
  after.used(secrets); // which does not bring it back
  expect(after.isOpenTo(secrets)).toBe(false);
});

test('there are sixteen sessions at most', () => {
  const door = doorAt(new Clock());
  const sessions = Array.from({ length: 17 }, () => enter(door));
  expect(sessions.map((secrets) => door.isOpenTo(secrets))).toEqual([false, ...Array(16).fill(true)]);
});

test.each([
  ['127.0.0.1:4000', true],
  ['localhost:4000', true],
  ['[::1]:4000', true],
  ['localhost', true],
  ['evil.example:4000', false],
  ['127.0.0.1.evil.example:4000', false],
  ['localhost.evil.example', false],
  ['evil.example#127.0.0.1:4000', false],
  ['127.0.0.2:4000', false],
  ['0.0.0.0:4000', false],
  ['', false],
  [undefined, false],
])('Host %s: %s', (host, isAllowed) => {
  expect(isHostAllowed({ host })).toBe(isAllowed);
});

const host = '127.0.0.1:4000';
const origin = `http://${host}`;

test.each([
  [{ host, origin }, true, true],
  [{ host, origin, 'sec-fetch-site': 'same-origin' }, true, true],
  [{ host, 'sec-fetch-site': 'same-origin' }, true, false],
  [{ host }, true, false],
  // Another port of this machine is the same site.
  [{ host, origin, 'sec-fetch-site': 'same-site' }, false, false],
  [{ host, origin: 'http://127.0.0.1:4001' }, false, false],
  [{ host, origin, 'sec-fetch-site': 'cross-site' }, false, false],
  [{ host, origin, 'sec-fetch-site': 'none' }, false, false],
  [{ host, origin: 'null' }, false, false],
  [{ host, origin: 'https://evil.example' }, false, false],
  [{ host, origin: `https://${host}` }, false, false],
])('%o: read %s, write %s', (headers, mayRead, mayWrite) => {
  expect(isReadAllowed(headers)).toBe(mayRead);
  expect(isWriteAllowed(headers)).toBe(mayWrite);
});
