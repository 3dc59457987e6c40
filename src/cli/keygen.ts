import type { Command } from 'commander';
import { checkPeerName, nameOfThisMachine, peerAddLine } from '../index.ts';
import { type KeyOptions, openKeyStore } from './context.ts';
import {
  type IntroductionOptions,
  introduce,
  tellIntroduction,
  withIntroductionOptions,
} from './introduction.ts';
import { keysOption } from './options.ts';
import { data, json, note } from './output.ts';

interface KeygenOptions extends KeyOptions, IntroductionOptions {
  readonly name?: string;
  readonly json?: boolean;
}

export function addKeygen(program: Command): void {
  const keygen = program
    .command('keygen')
    .description('make the keypair of this machine; prints the public key')
    .option('--name <name>', 'what the other machine may call this one');
  withIntroductionOptions(keygen)
    .addOption(keysOption())
    .option('--json', 'one object')
    .action(async (options: KeygenOptions) => {
      if (options.name !== undefined) checkPeerName(options.name);
      const store = await openKeyStore(options);
      const { publicKey } = await store.createKeyPair();
      const introduction = introduce(publicKey, options);
      if (options.json) json({ publicKey, keys: store.dir, peerAdd: introduction.line });
      else data(publicKey.toString());
      note(`Made a keypair in ${store.dir}; the secret half never leaves that folder.`);
      note('On each machine that is to trust this one, type:');
      note(`  ${peerAddLine({ name: options.name ?? nameOfThisMachine(), publicKey })}`);
      note('or, where that machine is to ask this one:');
      await tellIntroduction(introduction, options.qr);
    });
}
