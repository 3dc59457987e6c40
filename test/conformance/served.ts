/** `udp-tool serve` on a machine of its own, and a peer of it that is the second implementation. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join as path } from 'node:path';
import { Initiator } from './initiator.ts';
import { Machine } from './program.ts';

const COMMANDS = `export const large = {
  summary: 'Much', idempotent: true,
  args: [{ name: 'n', type: 'integer', summary: 'How much' }],
  run: ({ args }) => 'x'.repeat(args.n),
};
let runs = 0;
export const count = { summary: 'Counts', idempotent: false, args: [], run: () => ++runs };`;

interface Served {
  readonly psk?: Uint8Array;
  /** The peer has another than `serve`. */
  readonly otherPsk?: Uint8Array;
  /** `serve` offers it. */
  readonly file?: Uint8Array;
}

export async function addPeer(at: Machine, name: string, key: string, psk?: Uint8Array, ...more: string[]) {
  if (psk) {
    const file = path(at.keys, 'shared.psk');
    await writeFile(file, psk, { mode: 0o600 });
    more.push('--psk', file);
  }
  await at.run('peer', 'add', name, key, ...more);
}

/** `pi` serves; the peer has the key file that `mac` made. */
export async function served({ psk, otherPsk = psk, file }: Served = {}) {
  const [pi, mac] = await Promise.all([Machine.open(), Machine.open()]);
  await addPeer(pi, 'mac', mac.publicText, psk);
  await pi.run('peer', 'allow', 'mac', 'large', 'count');
  const commands = path(pi.keys, 'commands.mjs');
  await writeFile(commands, COMMANDS, { mode: 0o600 });
  const shared = path(pi.keys, 'shared');
  await mkdir(shared);
  if (file) await writeFile(path(shared, 'file'), file);
  const server = await pi.serve('--commands', commands, '--verbose', '--share', shared);
  const { port } = server;
  const own = await mac.keyPair();
  const peers: Initiator[] = [];
  /** Another one, of the same key, which sends to that port. */
  const newPeer = (to: number): Initiator => {
    const peer = new Initiator({ own, peer: pi.publicKey, port: to, ...(otherPsk && { psk: otherPsk }) });
    peers.push(peer);
    return peer;
  };
  return {
    pi,
    peer: newPeer(port),
    newPeer,
    server,
    async [Symbol.asyncDispose]() {
      for (const peer of peers) peer.close();
      await Promise.all([pi[Symbol.asyncDispose](), mac[Symbol.asyncDispose]()]);
    },
  };
}
