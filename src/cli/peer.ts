import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import {
  allowing,
  COMMAND_NAME,
  DEFAULT_PORT,
  denying,
  EVERY_COMMAND,
  OPEN_TO_ALL,
  type PeerEntry,
  type Permissions,
  PublicKey,
  peerAddLine,
  permissionsOf,
  UdpToolError,
} from '../index.ts';
import { type KeyOptions, openKeyStore } from './context.ts';
import {
  type IntroductionOptions,
  introduce,
  tellIntroduction,
  withIntroductionOptions,
} from './introduction.ts';
import { keysOption } from './options.ts';
import { columns, data, json, note } from './output.ts';
import { showQrCode } from './qr.ts';

type JsonOptions = KeyOptions & { json?: boolean };
type ShowOptions = JsonOptions & IntroductionOptions;
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
      const added = await store.peer(name); // which may have been there before, with more
      if (options.json) json(described(added));
      note(`Trusts "${name}" now.`);
      note(`It ${tellPermissions(permissionsOf(added))}.`);
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
      else
        data(
          columns(
            peers.map(({ name, publicKey, at = '', paused }) => [
              name,
              `${publicKey}  ${at}${paused ? '  paused' : ''}`,
            ]),
          ),
        );
    });

  const show = peer.command('show [peer]').description('one of them, or without a name this machine itself');
  withIntroductionOptions(show)
    .option('--json', 'one object')
    .addOption(keysOption())
    .action(async (name: string | undefined, options: ShowOptions) => {
      const store = await openKeyStore(options);
      if (name === undefined) {
        const { publicKey } = await store.loadKeyPair();
        const introduction = introduce(publicKey, options);
        if (options.json) json({ publicKey, keys: store.dir, peerAdd: introduction.line });
        else data(publicKey.toString());
        note('On a machine that is to ask this one, type:');
        await tellIntroduction(introduction, options.qr);
        return;
      }
      const entry = await store.peer(name);
      const fields = described(entry);
      if (options.json) json(fields);
      else
        data(
          columns(
            Object.entries(fields).map(([field, value]) => [
              field,
              Array.isArray(value) ? value.join(' ') : String(value),
            ]),
          ),
        );
      if (options.qr) await showQrCode(peerAddLine(entry));
    });

  change('allow', 'let it call these commands too; "*" for every one', allowing);
  change('deny', 'do not let it call these commands; "*" for every one', denying);

  function change(
    verb: string,
    description: string,
    make: (before: Permissions, commands: readonly string[]) => Permissions,
  ): void {
    peer
      .command(`${verb} <peer> <commands...>`)
      .description(`${description}; a running "serve" notices at once`)
      .addOption(keysOption())
      .option('--json', 'one object')
      .action(async (name: string, commands: string[], options: JsonOptions) => {
        commands.forEach(checkCommandName);
        await refuseExpansion(commands);
        const open = verb === 'deny' && commands.find((command) => OPEN_TO_ALL.includes(command));
        if (open) {
          throw new UdpToolError('bad-usage', `"${open}" is open to every peer.`, {
            hint: `To give it no answer at all: udp-tool peer pause ${name}`,
          });
        }
        const store = await openKeyStore(options);
        const entry = await store.changePeer(name, (before) => {
          const { deny, ...rest } = before;
          const permissions = make(permissionsOf(before), commands);
          return {
            ...rest,
            allow: permissions.allow,
            ...(permissions.deny.length > 0 && { deny: permissions.deny }),
          };
        });
        if (options.json) json(described(entry));
        note(`"${name}" ${tellPermissions(permissionsOf(entry))}.`);
      });
  }

  for (const paused of [true, false]) {
    peer
      .command(paused ? 'pause <peer>' : 'resume <peer>')
      .description(
        paused ? 'give it no answer until "peer resume"; its sessions end at once' : 'answer it again',
      )
      .addOption(keysOption())
      .option('--json', 'one object')
      .action(async (name: string, options: JsonOptions) => {
        const store = await openKeyStore(options);
        const entry = await store.changePeer(name, ({ paused: _before, ...rest }) => ({
          ...rest,
          ...(paused && { paused }),
        }));
        if (options.json) json(described(entry));
        note(paused ? `"${name}" gets no answer now.` : `"${name}" is answered again.`);
      });
  }

  peer
    .command('remove <peer>')
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

export function described(entry: PeerEntry): Record<string, unknown> {
  const { name, publicKey, at, psk, paused } = entry;
  const { allow, deny } = permissionsOf(entry);
  return {
    name,
    publicKey: publicKey.toString(),
    ...(at && { at }),
    ...(psk && { psk }),
    allow,
    ...(deny.length > 0 && { deny }),
    ...(paused && { paused }),
  };
}

/** What a shell makes of `*` are names of files. */
async function refuseExpansion(commands: readonly string[]): Promise<void> {
  const files: string[] = await readdir('.').catch(() => []);
  const file = commands.find((command) => command.includes('.') && files.includes(command));
  if (file === undefined) return;
  throw new UdpToolError('bad-usage', `"${file}" is a file here: did the shell expand *?`, {
    hint: "For every command write '*', in quotes.",
  });
}

function checkCommandName(name: string): void {
  if (name === EVERY_COMMAND || COMMAND_NAME.test(name)) return;
  throw new UdpToolError('bad-usage', `"${name}" cannot be the name of a command.`, {
    hint: 'See what there is with "udp-tool send help", asked from a peer that may call everything.',
  });
}

export function tellPermissions({ allow, deny }: Permissions): string {
  if (allow.includes(EVERY_COMMAND)) {
    return deny.length === 0
      ? 'may call every command'
      : `may call every command but ${[...deny].sort().join(', ')}`;
  }
  return allow.length === 0
    ? 'may call nothing but help and ping'
    : `may call ${[...allow].sort().join(', ')}, help and ping`;
}
