/** The second implementation, written from PROTOCOL.md, answers the real program on loopback. */
import { writeFile } from 'node:fs/promises';
import { join as path } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hex, random } from './bytes.ts';
import { helloFields, NO_TOKEN, TYPE } from './handshake.ts';
import { keyPair, keyToText } from './keys.ts';
import { type Message, T } from './messages.ts';
import { Machine } from './program.ts';
import { isPart, read, readRecording } from './recording.ts';
import { Responder } from './responder.ts';
import { type Crossing, Wire } from './wire.ts';

const TIME = { time: '2026-11-22T12:00:00.000+00:00', uptime: 12345 };
const COMMANDS = { time: () => TIME, large: () => 'y'.repeat(20_000) };

let mac: Machine;
let adding: Promise<unknown> = Promise.resolve();
beforeAll(async () => {
  mac = await Machine.open();
});
afterAll(() => mac[Symbol.asyncDispose]());

interface Options {
  readonly psk?: Uint8Array;
  /** HELLOs that get no RETRY. */
  readonly burst?: number;
  readonly paths?: number;
  readonly loses?: (wire: Wire, datagram: Uint8Array, towards: Crossing['towards']) => boolean;
}

/** A responder behind a wire, and `ask`, by which `mac` asks it. */
async function answering({ psk, burst, paths = 1, loses = () => false }: Options = {}) {
  const own = keyPair(random(32));
  const responder = new Responder(own, mac.publicKey, COMMANDS, psk, undefined, burst);
  const wire = await Wire.open(await responder.listen(), paths, loses);
  const name = `p${wire.port}`;
  const more = ['--at', `127.0.0.1:${wire.port}`];
  if (psk) {
    const file = path(mac.keys, `${name}.psk`);
    await writeFile(file, psk, { mode: 0o600 });
    more.push('--psk', file);
  }
  adding = adding.then(() => mac.run('peer', 'add', name, keyToText(own.public), ...more));
  await adding;
  return {
    responder,
    wire,
    ask: (command: string): Promise<string> =>
      mac.run('send', '--json', '--timeout', '40', '--to', name, command),
    [Symbol.dispose](): void {
      wire[Symbol.dispose]();
      responder.close();
    },
  };
}

describe.concurrent('as responder, asked by `udp-tool send`', () => {
  it.each([
    ['without a pre-shared key', {}],
    ['with one', { psk: random(32) }],
  ])('answers, %s', async (_, options) => {
    using lab = await answering(options);
    const { responder } = lab;
    expect(JSON.parse(await lab.ask('time'))).toMatchObject({ value: TIME });
    expect(JSON.parse(await lab.ask('large'))).toMatchObject({ value: COMMANDS.large() });
    await expect(lab.ask('nothing')).rejects.toMatchObject({
      stdout: expect.stringContaining('unknown-command'),
    });
    expect(responder.closedByPeer).toBe(true);
    // A client that waits may look for a closed port with a single byte (§4.1).
    expect(responder.results.filter((result) => result !== 'ok' && result !== 'too-short')).toEqual([]);

    const all = responder.sessionKeys.flatMap((keys) => readRecording(responder.recorded, keys));
    expect(all).not.toContain(undefined);
    const requests = responder.sessionKeys.flatMap((keys) => read(responder.recorded, keys, T.request));
    const commands = requests.map(([, , , , command]: Message) => command);
    expect([...new Set(commands)]).toEqual(['time', 'large', 'nothing']);
  });

  it('gives RETRY, keeps to three times the bytes on a path that is not validated, and gives the parts that lack', async () => {
    // The client is elsewhere when it sends its first OPEN, and again after the first half of the answer.
    let parts = 0;
    const loses = (wire: Wire, datagram: Uint8Array, towards: string): boolean => {
      if (towards === 'server') {
        if (datagram[0] === TYPE.open && wire.path === 0) wire.path = 1;
        if (parts > 0) wire.path = 2;
      }
      return isPart(datagram) && ++parts % 2 === 0 && parts < 18;
    };
    using lab = await answering({ burst: 0, paths: 3, loses });
    const { responder, wire } = lab;
    expect(JSON.parse(await lab.ask('large'))).toMatchObject({ value: COMMANDS.large() });

    const hellos = wire.crossed.map(({ datagram }) => datagram).filter(([type]) => type === TYPE.hello);
    const tokens = hellos.map((datagram) => hex(helloFields(responder.pair, datagram)?.[0] ?? NO_TOKEN));
    expect(tokens[0]).toBe(hex(NO_TOKEN));
    expect(tokens).toContain(hex(responder.epochs[0]?.token(mac.publicKey) ?? NO_TOKEN));

    const isResponse = ({ datagram }: Crossing): boolean =>
      responder.sessionKeys.some((keys) => read([datagram], keys, T.pathResponse).length > 0);
    for (const path of [1, 2]) {
      let [came, went] = [0, 0];
      const there = wire.crossed.filter((crossing) => crossing.path === path);
      const until = there.findIndex(isResponse);
      expect(until).toBeGreaterThan(0);
      for (const { datagram, towards } of there.slice(0, until)) {
        if (towards === 'server') came += datagram.length;
        else went += datagram.length;
        expect(went).toBeLessThanOrEqual(3 * came);
      }
      expect(went).toBeGreaterThan(0);
      expect(there.slice(until).some(({ datagram }) => isPart(datagram))).toBe(true);
    }
    expect(responder.messages.filter(([type]) => type === T.more).length).toBeGreaterThan(0);
  });

  it('has forgotten the epoch of an OPEN that was held up: the client begins anew', async () => {
    let responder: Responder | undefined;
    const gone = new Set<unknown>();
    const loses = (_: Wire, datagram: Uint8Array): boolean => {
      if (datagram[0] === TYPE.open && gone.size === 0) {
        for (const epoch of responder?.epochs ?? []) gone.add(epoch);
        responder?.expire(Number.POSITIVE_INFINITY);
      }
      return false;
    };
    using lab = await answering({ loses });
    responder = lab.responder;
    expect(JSON.parse(await lab.ask('time'))).toMatchObject({ value: TIME });
    expect(gone.size).toBe(1);
    expect(responder.results).toContain('bad-cookie');
    expect(responder.epochs.some((epoch) => gone.has(epoch))).toBe(false);
  });
});
