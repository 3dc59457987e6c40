import { resolve } from 'node:path';
import type { Command } from 'commander';
import { DEFAULT_PORT, type PeerEntry, PublicKey, UdpToolError } from '../index.ts';
import { type KeyOptions, openKeyStore } from './context.ts';
import { keysOption } from './options.ts';
import { columns, data, json, note } from './output.ts';

type JsonOptions = KeyOptions & { json?: boolean };
type AddOptions = JsonOptions & { at?: string; psk?: string };

export function addPeer(program: Command): void {
  const peer = program.command('peer').description('the machines that this one trusts');

  peer
    .command('add <name> <key>')
    .description('trust the machine with that public key')
    .option('--at <host:port>', `where it listens, if it is to be asked; port ${DEFAULT_PORT} unless given`)
    .option('--psk <file>', 'a file of 32 random bytes that both sides have; the file stays where it is')
    .addOption(keysOption())
    .option('--json', 'one object')
    .action(async (name: string, key: string, options: AddOptions) => {
      const store = await openKeyStore(options);
      const publicKey = PublicKey.parse(key);
      await refuseOwnKey(store, publicKey);
      const { at, psk } = options;
      const entry = {
        name,
        publicKey,
        ...(at === undefined ? {} : { at }),
        ...(psk === undefined ? {} : { psk: resolve(psk) }),
      };
      await store.addPeer(entry);
      if (options.json) json(described(entry));
      note(`Trusts "${name}" now.`);
      if (at !== undefined) note(`Ask it with: udp-tool send --to ${name} time`);
    });

  peer
    .command('list')
    .description('all of them')
    .option('--json', 'one object a line')
    .addOption(keysOption())
    .action(async (options: JsonOptions) => {
      const store = await openKeyStore(options);
      const peers = await store.peers();
      if (options.json) {
        for (const entry of peers) json(described(entry));
        return;
      }
      if (peers.length === 0)
        note(`No peers in ${store.dir}. Add one: udp-tool peer add NAME KEY [--at HOST:PORT]`);
      else data(columns(peers.map(({ name, publicKey, at }) => [name, `${publicKey}  ${at ?? ''}`])));
    });

  peer
    .command('show [name]')
    .description('one of them, or without a name this machine itself')
    .option('--json', 'one object')
    .addOption(keysOption())
    .action(async (name: string | undefined, options: JsonOptions) => {
      const store = await openKeyStore(options);
      if (name === undefined) {
        const { publicKey } = await store.loadKeyPair();
        if (options.json) json({ publicKey, keys: store.dir });
        else data(publicKey.toString());
        return;
      }
      const entry = (await store.peers()).find((candidate) => candidate.name === name);
      if (entry === undefined) {
        throw new UdpToolError('unknown-peer', `No peer is called "${name}".`, {
          hint: 'See the peers with "udp-tool peer list".',
        });
      }
      const fields = described(entry);
      if (options.json) json(fields);
      else data(columns(Object.entries(fields).map(([field, value]) => [field, String(value)])));
    });

  peer
    .command('remove <name>')
    .description('trust it no longer; a running "serve" ends its sessions at once')
    .addOption(keysOption())
    .option('--json', 'one object')
    .action(async (name: string, options: JsonOptions) => {
      const store = await openKeyStore(options);
      const entry = await store.removePeer(name);
      if (options.json) json(described(entry));
      note(`Trusts "${name}" no longer. Its key was ${entry.publicKey}`);
    });
}

/** A machine that trusts itself has mixed up the two keys that were to be exchanged. */
async function refuseOwnKey(
  store: { loadKeyPair(): Promise<{ publicKey: PublicKey }> },
  key: PublicKey,
): Promise<void> {
  const own = await store.loadKeyPair().catch((error: unknown) => {
    if (error instanceof UdpToolError && error.code === 'key-missing') return null;
    throw error;
  });
  if (own?.publicKey.equals(key)) {
    throw new UdpToolError('bad-key', 'That is the public key of this machine itself.', {
      hint: 'Add the key that "udp-tool keygen" printed on the other machine.',
    });
  }
}

function described({ name, publicKey, at, psk }: PeerEntry): Record<string, string> {
  return { name, publicKey: publicKey.toString(), ...(at && { at }), ...(psk && { psk }) };
}
