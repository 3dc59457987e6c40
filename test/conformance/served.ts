/** `udp-tool serve`, and peers of it that are the second implementation. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join as path } from 'node:path';
import { random } from './bytes.ts';
import { Initiator } from './initiator.ts';
import { type KeyPair, keyPair, keyToText } from './keys.ts';
import { Machine } from './program.ts';

const COMMANDS = `export const large = {
  summary: 'Much', idempotent: true,
  args: [{ name: 'n', type: 'integer', summary: 'How much' }],
  run: ({ args }) => 'x'.repeat(args.n),
};
let runs = 0;
export const count = { summary: 'Counts', idempotent: false, args: [], run: () => ++runs };`;

interface PeerOptions {
  /** Where it sends to, if not to `serve` itself. */
  readonly through?: number;
  /** It has the key that is in the book with a pre-shared key, and that one or another. */
  readonly psk?: 'right' | 'wrong';
}

/** It offers `file`; it knows two peers, one of them with a pre-shared key. */
export async function served(file: Uint8Array) {
  const pi = await Machine.open();
  const [own, withPsk] = [keyPair(random(32)), keyPair(random(32))];
  const psks = { right: random(32), wrong: random(32) };
  const [commands, psk, shared] = ['commands.mjs', 'a.psk', 'shared'].map((name) => path(pi.keys, name));
  if (!commands || !psk || !shared) throw new Error('no paths');
  await writeFile(commands, COMMANDS, { mode: 0o600 });
  await writeFile(psk, psks.right, { mode: 0o600 });
  await mkdir(shared);
  await writeFile(path(shared, 'file'), file);
  const entry = (name: string, { public: key }: KeyPair, more = ''): string =>
    `[${name}]\nkey = "${keyToText(key)}"\nallow = ["*"]\n${more}`;
  const book = entry('mac', own) + entry('other', withPsk, `psk = "${psk}"\n`);
  await writeFile(path(pi.keys, 'peers.toml'), book, { mode: 0o600 });
  const server = await pi.serve('--commands', commands, '--verbose', '--share', shared);
  const peers: Initiator[] = [];
  return {
    server,
    peer({ through = server.port, psk: which }: PeerOptions = {}): Initiator {
      const given = which ? { own: withPsk, psk: psks[which] } : { own };
      const peer = new Initiator({ ...given, peer: pi.publicKey, port: through });
      peers.push(peer);
      return peer;
    },
    async [Symbol.asyncDispose]() {
      for (const peer of peers) peer.close();
      await pi[Symbol.asyncDispose]();
    },
  };
}
