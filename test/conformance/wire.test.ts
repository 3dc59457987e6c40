/** What is seen only where datagrams get lost, addresses change, or too many come: the second implementation and the real program. */
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { describe, expect, it } from 'vitest';
import { hex, same } from './bytes.ts';
import { hello, helloFields, NO_TOKEN, retryToken, type SessionKeys, TYPE } from './handshake.ts';
import { type Message, T } from './messages.ts';
import { Machine } from './program.ts';
import { readRecording } from './recording.ts';
import { Responder } from './responder.ts';
import { addPeer, served } from './served.ts';
import { Wire } from './wire.ts';

const isPart = (datagram: Uint8Array): boolean => datagram[0] === TYPE.data && datagram.length > 1_200;

/** The messages of that type in what was recorded of a session. */
const read = (recorded: readonly Uint8Array[], keys: SessionKeys, wanted: number): Message[] =>
  readRecording(recorded, keys).flatMap((messages) => messages?.filter(([type]) => type === wanted) ?? []);

describe.concurrent('as initiator, towards `udp-tool serve`', () => {
  it('makes a new session while the old one goes on, and asks for the parts that lack', async () => {
    await using lab = await served();
    let parts = 0;
    const loses = (_: Wire, datagram: Uint8Array): boolean =>
      isPart(datagram) && ++parts % 4 === 0 && parts < 50;
    using wire = await Wire.open(lab.server.port, 1, loses);
    const peer = lab.newPeer(wire.port);

    await peer.handshake();
    await peer.ping(1);
    const old = peer.session;
    const rekeyed = peer.rekey();
    expect(await peer.request('lucky', [2, 2])).toMatchObject({ value: 2 });
    await rekeyed;
    expect(hex(peer.session.keys.sid)).not.toBe(hex(old.keys.sid));
    const late = peer.next(([type, n]) => type === T.pong && n === 77);
    peer.send(old.data([[T.ping, 77]]));
    await late;
    expect(same(peer.events.at(-1)?.datagram.subarray(1, 9) ?? NO_TOKEN, old.keys.csid)).toBe(true);

    expect(await peer.request('large', [60_000])).toEqual({ value: 'x'.repeat(60_000), parts: 53 });
    const { keys } = peer.session;
    expect(read(peer.sent, keys, T.request)).toHaveLength(1);
    const [have] = read(peer.sent, keys, T.more).map(([, , , bits]) => bits as Uint8Array);
    // 12 were lost, one of each 4 of the first 48.
    expect(have && hex(have)).toBe('eeeeeeeeeeeef800');
  });

  it('follows a RETRY with a HELLO that holds the token, and is ignored where it sends too many of those', async () => {
    await using lab = await served();
    const { peer, server } = lab;
    const { publicKey } = ml_kem768.keygen();
    const flood = (n: number, token: Uint8Array): void => {
      for (let i = 0; i < n; i++)
        peer.send(hello(peer.pair, crypto.getRandomValues(new Uint8Array(15)), token, publicKey));
    };
    await peer.move();
    flood(40, NO_TOKEN);
    await peer.handshake();
    await peer.ping(1);
    const answered = peer.events.find(({ result }) => result === 'retry');
    const token = answered && retryToken(peer.pair, answered.datagram);
    expect(token).toHaveLength(5);
    const [open] = peer.sent.filter(([type]) => type === TYPE.open);
    const last = peer.sent[peer.sent.indexOf(open as Uint8Array) - 1] as Uint8Array;
    expect(helloFields(peer.pair, last)?.[0]).toEqual(token);
    flood(60, token as Uint8Array);
    await server.dropped('rate-limited');
    await peer.ping(2);
  });
});

describe.concurrent('as responder, towards `udp-tool send`', () => {
  it('gives RETRY, keeps to three times the bytes on a path that is not validated, and gives the parts that lack', async () => {
    await using mac = await Machine.open();
    await using pi = await Machine.open();
    const commands = { large: () => 'y'.repeat(20_000) };
    const responder = new Responder(await pi.keyPair(), mac.publicKey, commands, undefined, undefined, 0);
    // The client is elsewhere when it sends its first OPEN, and again after the first half of the answer.
    let parts = 0;
    const loses = (wire: Wire, datagram: Uint8Array, towards: string): boolean => {
      if (towards === 'server') {
        if (datagram[0] === TYPE.open && wire.path === 0) wire.path = 1;
        if (parts > 0) wire.path = 2;
      }
      return isPart(datagram) && ++parts % 2 === 0 && parts < 18;
    };
    using wire = await Wire.open(await responder.listen(), 3, loses);
    try {
      await addPeer(mac, 'pi', pi.publicText, undefined, '--at', `127.0.0.1:${wire.port}`);
      expect(JSON.parse(await mac.run('send', '--json', 'large'))).toMatchObject({
        value: 'y'.repeat(20_000),
      });

      const hellos = wire.crossed.map(({ datagram }) => datagram).filter(([type]) => type === TYPE.hello);
      const tokens = hellos.map((datagram) => hex(helloFields(responder.pair, datagram)?.[0] ?? NO_TOKEN));
      expect(tokens[0]).toBe(hex(NO_TOKEN));
      expect(tokens.at(-1)).toBe(hex(responder.epochs[0]?.token(mac.publicKey) ?? NO_TOKEN));

      const [keys] = responder.sessionKeys;
      for (const path of [1, 2]) {
        let [came, went] = [0, 0];
        const there = wire.crossed.filter((crossing) => crossing.path === path);
        const until = there.findIndex(
          ({ datagram }) => keys && read([datagram], keys, T.pathResponse).length > 0,
        );
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
      expect(responder.sessionKeys).toHaveLength(1);
    } finally {
      responder.close();
    }
  });
});
