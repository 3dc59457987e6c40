import { hostname } from 'node:os';
import type { Command } from 'commander';
import { type KeyOptions, openKeyStore } from './context.ts';
import { data, note } from './output.ts';

export function addKeygen(program: Command): void {
  program
    .command('keygen')
    .description('make the keypair of this machine; prints the public key')
    .option('--keys <dir>', 'key folder')
    .option('--name <name>', 'what the other machine may call this one')
    .action(async (options: KeyOptions & { name?: string }) => {
      const store = await openKeyStore(options);
      const { publicKey } = await store.createKeyPair();
      const name =
        options.name ??
        (hostname()
          .replace(/[^A-Za-z0-9_-].*$/, '')
          .slice(0, 32) ||
          'me');
      data(publicKey.toString());
      note(`Made a keypair in ${store.dir}; the secret half never leaves that folder.`);
      note('On each machine that is to trust this one, type:');
      note(`  udp-tool peer add ${name} ${publicKey}`);
      note('and add  --at HOST:PORT  where that machine is to ask this one.');
    });
}
