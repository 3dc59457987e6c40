/** `pair`: two machines add each other, and the person compares a code. */
import type { Command } from 'commander';
import {
  addressesOfThisMachine,
  DEFAULT_PAIRING_PORT,
  DEFAULT_PORT,
  formatAddress,
  type PairingNews,
  type PairingQuestion,
  pair,
  permissionsOf,
  shellWord,
  UdpToolError,
} from '../index.ts';
import { interruption, type KeyOptions, openKeyStore } from './context.ts';
import { keysOption, port } from './options.ts';
import { forPeople, json, note } from './output.ts';
import { described, tellPermissions } from './peer.ts';
import { Person } from './person.ts';

interface PairOptions extends KeyOptions {
  readonly port?: number;
  readonly at?: string;
  readonly name?: string;
  readonly json?: boolean;
}

export function addPair(program: Command): void {
  program
    .command('pair [host:port]')
    .description(
      'this machine and another add each other: without an address it waits, with one it asks the one that waits there',
    )
    .option(
      '--port <number>',
      `where to wait; ${DEFAULT_PAIRING_PORT} if not given, 0 for any free one`,
      port,
    )
    .option(
      '--at <host:port>',
      `where this machine serves; as the other reached it, at ${DEFAULT_PORT}, if it waits`,
    )
    .option('--name <name>', 'what to call the other machine here; what it calls itself if not given')
    .addOption(keysOption())
    .option('--json', 'one object a line on stdout: waiting, asking, code, somebody-else, paired')
    .action(run);
}

async function run(ask: string | undefined, options: PairOptions): Promise<void> {
  if (ask !== undefined && options.port !== undefined) {
    throw new UdpToolError('bad-usage', '--port is where this machine waits, and with an address it asks.', {
      hint: 'Write the port behind the address: "udp-tool pair HOST:PORT".',
    });
  }
  const { keys: _keys, json: asJson = false, ...rest } = options;
  const store = await openKeyStore(options);
  const person = new Person();
  try {
    const entry = await pair({
      ...rest,
      store,
      ...(ask !== undefined && { ask }),
      signal: interruption(),
      onNews: (news) => tell(news, store.dir, asJson),
      confirm: (question, signal) => confirm(person, question, signal, asJson),
    });
    if (asJson) json({ event: 'paired', ...described(entry) });
    note(`"${entry.name}" is trusted here now, and trusts this machine.`);
    note(`"${entry.name}" ${tellPermissions(permissionsOf(entry))} here.`);
    if (ask === undefined) note('Answer it with: udp-tool serve');
    if (entry.at !== undefined)
      note(`Where "udp-tool serve" runs there: udp-tool send --to ${entry.name} time`);
  } finally {
    person.leave();
  }
}

async function confirm(
  person: Person,
  { code, entry }: PairingQuestion,
  signal: AbortSignal,
  asJson: boolean,
): Promise<boolean> {
  const { name, publicKey, at } = entry;
  if (asJson) json({ event: 'code', code, name, publicKey, ...(at && { at }) });
  note(
    `The other machine is to be "${name}", ${at === undefined ? 'without an address' : `at ${at}`}, with the key`,
  );
  note(`  ${publicKey}`);
  const shown = forPeople.bold(`${code.slice(0, 3)} ${code.slice(3)}`);
  const isSame = await person.saysYes(`Does the other machine show ${shown}? [y/N] `, signal);
  if (isSame) note('Waits for the yes on the other machine.');
  return isSame;
}

function tell(news: PairingNews, keyFolder: string, asJson: boolean): void {
  switch (news.type) {
    case 'key-made':
      note(`Made a keypair in ${keyFolder}; the secret half never leaves that folder.`);
      break;
    case 'waiting': {
      if (asJson) json({ event: 'waiting', addresses: news.addresses.map(formatAddress) });
      note('Waits for the other machine; Ctrl-C ends it. There, type:');
      const { port = DEFAULT_PAIRING_PORT } = news.addresses[0] ?? {};
      const here = [...addressesOfThisMachine('IPv4'), ...addressesOfThisMachine('IPv6')];
      for (const ip of here.length > 0 ? here : ['HOST'])
        note(
          `  udp-tool pair ${port === DEFAULT_PAIRING_PORT ? ip : shellWord(formatAddress({ ip, port }))}`,
        );
      break;
    }
    case 'asking':
      if (asJson) json({ event: 'asking', addresses: news.addresses.map(formatAddress) });
      note(`Asks at ${news.addresses.map(formatAddress).join(' and ')}.`);
      break;
    case 'unreachable':
      note(
        news.result === 'closed'
          ? `Nothing waits at ${formatAddress(news.address)}: type "udp-tool pair" there. This machine goes on asking.`
          : `${formatAddress(news.address)} cannot be reached (${news.result}). This machine goes on asking.`,
      );
      break;
    case 'somebody-else':
      if (asJson) json({ event: 'somebody-else', from: formatAddress(news.from) });
      note(`Somebody else tries to pair as well, from ${formatAddress(news.from)}, and gets no answer.`);
      note('If that was your other machine, it shows no code: say no here, and start over on both.');
      break;
  }
}
