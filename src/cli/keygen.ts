import { hostname } from 'node:os';
import type { Command } from 'commander';
import { checkPeerName } from '../index.ts';
import { type KeyOptions, openKeyStore } from './context.ts';
import { keysOption } from './options.ts';
import { data, json, note } from './output.ts';

interface KeygenOptions extends KeyOptions {
  readonly name?: string;
  readonly json?: boolean;
}

export function addKeygen(program: Command): void {
  program
    .command('keygen')
    .description('make the keypair of this machine; prints the public key')
    .option('--name <name>', 'what the other machine may call this one')
    .addOption(keysOption())
    .option('--json', 'one object')
    .action(async (options: KeygenOptions) => {
      if (options.name !== undefined) checkPeerName(options.name);
      const store = await openKeyStore(options);
      const { publicKey } = await store.createKeyPair();
      if (options.json) json({ publicKey, keys: store.dir });
      else data(publicKey.toString());
      note(`Made a keypair in ${store.dir}; the secret half never leaves that folder.`);
      note('On each machine that is to trust this one, type:');
      note(`  udp-tool peer add ${options.name ?? nameOfThisMachine()} ${publicKey}`);
      note('and add  --at HOST:PORT  where that machine is to ask this one.');
    });
}

function nameOfThisMachine(): string {
  const [first = ''] = hostname().split('.');
  const name = first.replace(/[^A-Za-z0-9_-]/g, '').replace(/^[_-]+/, '');
  return name.slice(0, 32) || 'me';
}
