/** A second implementation, written from PROTOCOL.md alone, against the real program. */
import { writeFile } from 'node:fs/promises';
import { join as path } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Initiator, random } from './initiator.ts';
import { T } from './messages.ts';
import { Machine } from './program.ts';

/** `pi` serves; the peer has the keys that `mac` made. */
async function served(psk?: Uint8Array) {
  const [pi, mac] = await Promise.all([Machine.open(), Machine.open()]);
  const more: string[] = [];
  if (psk) {
    const file = path(pi.keys, 'shared.psk');
    await writeFile(file, psk, { mode: 0o600 });
    more.push('--psk', file);
  }
  await pi.run('peer', 'add', 'mac', mac.publicText, ...more);
  const port = await pi.serve();
  const peer = new Initiator({
    own: await mac.keyPair(),
    peer: pi.publicKey,
    port,
    ...(psk && { psk }),
  });
  return {
    peer,
    port,
    async [Symbol.asyncDispose]() {
      peer.close();
      await Promise.all([pi[Symbol.asyncDispose](), mac[Symbol.asyncDispose]()]);
    },
  };
}

describe('as initiator, asking `udp-tool serve`', () => {
  it('gets answers', async () => {
    await using lab = await served();
    const { peer } = lab;
    await peer.handshake();
    expect(await peer.request('time')).toMatchObject({
      value: {
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+[+-]\d\d:\d\d$/),
        uptime: expect.any(Number),
      },
    });
    expect(await peer.request('lucky', [6, 6])).toEqual({ value: 6, parts: 1 });
    const help = await peer.request('help');
    console.log(help);
  });
});
