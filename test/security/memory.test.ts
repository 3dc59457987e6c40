/**
 * What is in the memory of a process, as a core dump or a thief of it would have it: each secret once while it is in use,
 * and not at all afterwards. The other side is the second implementation, which knows all keys of its sessions.
 */
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { describe, expect, test } from 'vitest';
import { hex } from '../conformance/bytes.ts';
import {
  chainKey,
  challengeFields,
  helloFields,
  openedBox1,
  openKey,
  TYPE,
} from '../conformance/handshake.ts';
import { random } from '../conformance/initiator.ts';
import { type KeyPair, pairKeys } from '../conformance/keys.ts';
import { Responder } from '../conformance/responder.ts';
import { Lab, LOOPBACK, MAIN, type Machine, type Program } from '../support/cli.ts';
import {
  KnownSession,
  keysOf,
  type Secrets,
  secretsOfAgreement,
  secretsOfPair,
} from '../support/known-session.ts';
import { DUMPS_CORE, KNOWN_RANDOM, Memory, NO_CORES, NO_MEMORY, type Run } from '../support/memory.ts';
import { enterPage } from '../support/page-session.ts';

/** Small, so that the collector moves what lives as often as in a process that has run for long. */
const YOUNG_HEAP = '--max-semi-space-size=1';
const CHILD = new URL('../support/memory-child.mjs', import.meta.url).pathname;

/** The program, drawing known randomness. */
function start(machine: Machine, ...args: readonly string[]): Program {
  const { env } = KNOWN_RANDOM;
  return machine.startFile({ env }, process.execPath, YOUNG_HEAP, ...KNOWN_RANDOM.args, ...args);
}

async function portOf(server: Program): Promise<number> {
  const { addresses } = await server.event('listening');
  return Number(/:(\d+)$/.exec(String((addresses as string[])[0]))?.[1]);
}

/** Looks until it is so; the test's own time limit ends it. */
async function when<Value>(is: (value: Value) => boolean, look: () => Promise<Value>): Promise<Value> {
  for (;;) {
    const value = await look();
    if (is(value)) return value;
  }
}

const lengths = (runs: readonly Run[]): number[] =>
  runs.map(({ from, to }) => to - from).sort((a, b) => a - b);

describe.skipIf(NO_MEMORY !== undefined)('in the memory of a process', () => {
  test('the search finds each form that is there', async () => {
    await using lab = await Lab.open();
    const mac = await lab.blank('mac');
    const script = `
      const secret = Uint8Array.from({ length: 32 }, (_, i) => (i * 73 + 5) & 255);
      const buffer = Buffer.from(secret);
      globalThis.kept = [new Uint8Array(secret), [...secret], buffer.toString('hex'), buffer.toString('base64'),
        Buffer.from(buffer.toString('hex'), 'utf16le'), [...secret].map((n) => n + 0.0)];
      console.log('ready');
      process.stdin.resume();`;
    const program = mac.startFile({}, process.execPath, '-e', script);
    await program.shows(/ready/);
    const memory = Memory.of(program.pid);
    const secret = Uint8Array.from({ length: 32 }, (_, i) => (i * 73 + 5) & 255);
    expect(Object.keys(memory.formsOf(secret))).toEqual(
      expect.arrayContaining(['bytes', 'hex', 'hex, two bytes a letter', 'base64', 'numbers']),
    );
    expect(memory.holds({ secret, another: secret.toReversed() })).toEqual(['secret']);
    await program.stop();
  });

  test('"serve" has its secret key once and no pre-shared key; of sessions and peers that ended, nothing', async () => {
    await using lab = await Lab.open();
    const [pi, mac, other] = [await lab.machine('pi'), await lab.machine('mac'), await lab.machine('other')];
    const [piKeys, macKeys, otherKeys] = [await keysOf(pi), await keysOf(mac), await keysOf(other)];
    const [psk, otherPsk] = [random(32), random(32)];
    await pi.store.addPeer({
      name: 'mac',
      publicKey: await mac.publicKey(),
      psk: await pi.file('psk', `${hex(psk)}\n`),
    });
    await pi.store.addPeer({
      name: 'other',
      publicKey: await other.publicKey(),
      psk: await pi.file('other-psk', otherPsk),
    });
    const server = start(pi, MAIN, 'serve', '--json', '--port', '0', '--host', LOOPBACK, '--no-lan');
    const port = await portOf(server);

    const ended = await KnownSession.open(macKeys, piKeys.public, port, psk);
    ended.close();
    const lives = await KnownSession.open(macKeys, piKeys.public, port, psk);
    const ofRemoved = await KnownSession.open(otherKeys, piKeys.public, port, otherPsk);
    const pairs = { ...secretsOfPair(pairKeys(piKeys, macKeys.public, 'initiator', psk), 'mac') };
    const ofOther = {
      ...secretsOfPair(pairKeys(piKeys, otherKeys.public, 'initiator', otherPsk), 'other, outgoing'),
      ...secretsOfPair(pairKeys(piKeys, otherKeys.public, 'responder', otherPsk), 'other, incoming'),
    };
    const before = Memory.of(server.pid);
    expect(before.size).toBeGreaterThan(10_000_000);
    // What is in use is found, so the search proves something.
    expect(before.holds({ ...pairs, ...ofOther })).toHaveLength(9);
    // The epoch keeps what its key and the peer's give, until it dies.
    expect(before.holds(lives.secrets)).toEqual(['c2s', 's2c', 'se']);
    expect(before.counts(lives.secrets)).toMatchObject({ c2s: 1, s2c: 1 });
    expect(before.holds(ended.secrets)).toEqual(['se']);
    expect(before.formsOf(piKeys.secret)).toEqual({ bytes: 1 });
    for (const shared of [psk, otherPsk]) expect(before.formsOf(shared)).toEqual({});
    // The key of the epoch's cookies, and its ephemeral key.
    expect(lengths(before.drawn())).toEqual([32, 32]);

    await pi.store.removePeer('other');
    await server.event('peers');
    // The book was read anew, and may be read once more: only then it is as before.
    const after = await when(
      (memory: Memory) => memory.holds({ psk, otherPsk }).length === 0,
      async () => Memory.of(server.pid),
    );
    expect(after.holds({ ...ofOther, ...ofRemoved.secrets })).toEqual([]);
    expect(after.holds(pairs)).toHaveLength(3);
    for (const shared of [psk, otherPsk]) expect(after.formsOf(shared)).toEqual({});
    ofRemoved.close();
    lives.close();
    await server.stop();
  });

  test('whatever else lasts has the secret key once, and no pre-shared key', async () => {
    await using lab = await Lab.open();
    const [pi, mac, blank] = [await lab.machine('pi'), await lab.machine('mac'), await lab.blank('blank')];
    const psk = random(32);
    const psks = [await pi.file('psk', psk), await mac.file('psk', `${hex(psk)}\n`)] as const;
    await pi.store.addPeer({ name: 'mac', publicKey: await mac.publicKey(), psk: psks[0] });
    const { server, port } = await pi.serve();
    const at = `${LOOPBACK}:${port}`;
    await mac.store.addPeer({ name: 'pi', publicKey: await pi.publicKey(), at, psk: psks[1] });
    const pairing = blank.start('pair --json --port 0');
    await pairing.event('waiting');
    const shell = mac.start('shell');
    shell.write('lucky 3 3\n');
    await shell.shows(/^3$/m);
    const chat = mac.start('chat --json --port 0 pi');
    await chat.event('presence');
    // It makes its key itself, and the doctor reads it again.
    const desk = await lab.blank('desk');
    const gui = desk.start('gui --json --no-lan --port 0 --host', LOOPBACK);
    const { link, headers } = await enterPage(gui);
    const post = async (action: string, body: unknown): Promise<void> => {
      const url = `${link.origin}/api/${action}`;
      const { status } = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
      expect(status).toBe(200);
    };
    await post('setup/make-key', {});
    await desk.store.addPeer({ name: 'pi', publicKey: await pi.publicKey(), at, psk: psks[1] });
    await pi.store.addPeer({ name: 'desk', publicKey: await desk.publicKey(), psk: psks[0] });
    await server.event('peers');
    await post('doctor/examine', { peer: 'pi' });

    for (const [machine, program] of [
      [blank, pairing],
      [mac, shell],
      [mac, chat],
      [desk, gui],
    ] as const) {
      const { secret } = await keysOf(machine);
      // What is read anew, as after a change of the book, is gone soon.
      await when(
        (memory: Memory) => {
          const forms = memory.formsOf(secret);
          return (
            memory.holds({ psk }).length === 0 &&
            Object.keys(forms).join() === 'bytes' &&
            forms['bytes'] === 1
          );
        },
        async () => Memory.of(program.pid),
      );
      await program.stop();
    }
  });

  test('of an endpoint that closed, and of an epoch that died, nothing is left', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const [piKeys, macKeys] = [await keysOf(pi), await keysOf(mac)];
    await pi.trust(mac);
    const drawn = {
      boot: random(6),
      epochKey: random(32),
      epochSecret: random(32),
      firstSid: Uint8Array.of(0, ...random(7)),
      kem: random(32),
      rest: () => random(15),
    };
    const responder = new Responder(
      macKeys,
      piKeys.public,
      { ping: (args) => args[0] ?? '' },
      undefined,
      drawn,
    );
    const port = await responder.listen();
    const child = start(pi, CHILD, pi.keys, `${port}`);
    const act = async (line: string): Promise<void> => {
      child.write(`${line}\n`);
      await child.event(line.split(' ')[0] as string);
    };
    const { value: at } = await child.event('ready');
    await act('ask');
    const initiated = secretsOfInitiated(responder, macKeys, piKeys.public, drawn);
    const responded = await KnownSession.open(macKeys, piKeys.public, Number(String(at).split(':')[1]));

    const lively = Memory.of(child.pid);
    expect(lively.holds(initiated)).toEqual(['c2s', 's2c']);
    expect(lively.holds(responded.secrets)).toEqual(['c2s', 's2c', 'se']);
    expect(lengths(lively.drawn())).toEqual([32, 32]);

    // Sessions last for long, an epoch for two minutes: this is what forward secrecy is.
    await act('later 121000');
    const later = await when(
      (memory: Memory) => memory.drawn().length === 0,
      async () => Memory.of(child.pid),
    );
    expect(later.holds(responded.secrets)).toEqual(['c2s', 's2c']);

    // Nobody said that they end: they were silent for too long.
    await act('later 3600000');
    await act('ask');
    const idle = await when(
      (memory: Memory) => memory.holds(responded.secrets).length === 0,
      async () => Memory.of(child.pid),
    );
    expect(idle.holds(initiated)).toEqual([]);
    const renewed = { c2s: responder.sessionKeys.at(-1)?.c2s ?? new Uint8Array() };
    expect(idle.holds(renewed)).toEqual(['c2s']);

    await act('close');
    const closed = Memory.of(child.pid);
    const pairs = {
      ...secretsOfPair(pairKeys(piKeys, macKeys.public, 'initiator'), 'outgoing'),
      ...secretsOfPair(pairKeys(piKeys, macKeys.public, 'responder'), 'incoming'),
    };
    expect(lively.holds(pairs)).toHaveLength(6);
    expect(closed.holds({ ...pairs, ...renewed })).toEqual([]);
    expect(closed.formsOf(piKeys.secret)).toEqual({ bytes: 1 });
    await act('wipe');
    expect(Memory.of(child.pid).formsOf(piKeys.secret)).toEqual({});
    responder.close();
    await child.stop();
  });

  test('of a handshake that nobody answers, nothing is left once it is given up', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await pi.trust(mac);
    const { port, firstDatagram } = await lab.silentPort();
    const child = start(pi, CHILD, pi.keys, `${port}`);
    await child.event('ready');
    child.write('knock\n');
    await firstDatagram;
    // Of the ML-KEM secret key, half of the seed is a part (FIPS 203, algorithm 16).
    expect(lengths(Memory.of(child.pid).drawn())).toEqual([32]);
    await child.event('knock');
    await when(
      (memory: Memory) => memory.drawn().length === 0,
      async () => Memory.of(child.pid),
    );
    await child.stop();
  });
});

describe.skipIf(NO_CORES !== undefined)('in a core file', () => {
  test('is of "serve" what is in use, and nothing of what is over', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const [piKeys, macKeys] = [await keysOf(pi), await keysOf(mac)];
    const psk = random(32);
    await pi.store.addPeer({
      name: 'mac',
      publicKey: await mac.publicKey(),
      psk: await pi.file('psk', `${hex(psk)}\n`),
    });
    pi.launcher = DUMPS_CORE;
    const server = start(pi, MAIN, 'serve', '--json', '--port', '0', '--host', LOOPBACK, '--no-lan');
    const port = await portOf(server);
    const ended = await KnownSession.open(macKeys, piKeys.public, port, psk);
    ended.close();
    const lives = await KnownSession.open(macKeys, piKeys.public, port, psk);

    expect(await server.stop('SIGABRT')).toMatchObject({ signal: 'SIGABRT' });
    const core = Memory.ofCore(pi.home);
    expect(core.size).toBeGreaterThan(10_000_000);
    expect(core.formsOf(piKeys.secret)).toEqual({ bytes: 1 });
    expect(core.formsOf(psk)).toEqual({});
    expect(core.holds(lives.secrets)).toEqual(['c2s', 's2c', 'se']);
    expect(core.holds(ended.secrets)).toEqual(['se']);
    expect(lengths(core.drawn())).toEqual([32, 32]);
    lives.close();
  });

  test('is of a client nothing, once it has closed and wiped its key', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const [piKeys, macKeys] = [await keysOf(pi), await keysOf(mac)];
    const { server, port } = await pi.serve();
    await pi.trust(mac);
    await server.event('peers');
    await mac.trust(pi);
    mac.launcher = DUMPS_CORE;
    const child = start(mac, CHILD, mac.keys, `${port}`);
    await child.event('ready');
    for (const line of ['ask', 'close', 'wipe']) {
      child.write(`${line}\n`);
      await child.event(line);
    }
    await child.stop('SIGABRT');
    const core = Memory.ofCore(mac.home);
    expect(core.size).toBeGreaterThan(10_000_000);
    expect(core.formsOf(macKeys.secret)).toEqual({});
    expect(core.holds(secretsOfPair(pairKeys(macKeys, piKeys.public, 'initiator'), 'outgoing'))).toEqual([]);
    expect(core.drawn()).toEqual([]);
    await server.stop();
  });
});

/** Of the session that the program began: from what the responder drew, and what it recorded. */
function secretsOfInitiated(
  { pair, recorded, sessionKeys: [keys] }: Responder,
  own: KeyPair,
  peer: Uint8Array,
  drawn: { readonly kem: Uint8Array; readonly epochSecret: Uint8Array },
): Secrets {
  const of = (type: number): Uint8Array => recorded.find(([first]) => first === type) as Uint8Array;
  const fields = helloFields(pair, of(TYPE.hello));
  const inner = challengeFields(pair, of(TYPE.challenge));
  if (fields === undefined || inner === undefined || keys === undefined) throw new Error('no handshake');
  const { sharedSecret } = ml_kem768.encapsulate(fields[1], drawn.kem);
  const ck = chainKey(pair, of(TYPE.hello), inner, sharedSecret);
  const eC = openedBox1(ck, of(TYPE.open)) as Uint8Array;
  return {
    c2s: keys.c2s,
    s2c: keys.s2c,
    'KEM secret': sharedSecret,
    ck,
    'key of OPEN': openKey(ck),
    ...secretsOfAgreement('es', own.secret, eC),
    ...secretsOfAgreement('se', drawn.epochSecret, peer),
    ...secretsOfAgreement('ee', drawn.epochSecret, eC),
  };
}
