/** `gui`: a page in the browser, for all of it. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { Gui } from '../gui/gui.ts';
import { formatAddress } from '../index.ts';
import { aborted, interruption, type KeyOptions, messageFolder, openKeyStore } from './context.ts';
import { commandsOption, hostOption, keysOption, lanOption, port, portOption } from './options.ts';
import { json, note } from './output.ts';
import { servedCommands } from './served-commands.ts';

interface GuiCliOptions extends KeyOptions {
  readonly host?: string;
  readonly port: number;
  readonly webPort?: number;
  readonly commands: readonly string[];
  readonly inbox?: string;
  readonly lan: boolean;
  readonly readOnly?: boolean;
  readonly idle: number;
  readonly json?: boolean;
}

const DEFAULT_IDLE_MINUTES = 60;

export function addGui(program: Command): void {
  program
    .command('gui')
    .description(
      'answer the peers, as "serve" does, and show a page for the browser of this machine, until Ctrl-C',
    )
    .addOption(hostOption())
    .addOption(portOption())
    .option('--web-port <number>', 'TCP port of the page, on loopback; any free one if not given', port)
    .addOption(commandsOption())
    .option('--inbox <dir>', 'where to put files that come; "udp-tool" in the home folder if not given')
    .addOption(lanOption())
    .option('--read-only', 'the page looks, and changes nothing')
    .addOption(
      new Option('--idle <minutes>', 'a page that nobody uses for so long is logged out')
        .argParser(minutes)
        .default(DEFAULT_IDLE_MINUTES * 60_000, String(DEFAULT_IDLE_MINUTES)),
    )
    .addOption(keysOption())
    .option('--json', 'one object a line on stdout: link, listening')
    .action(gui);
}

async function gui(options: GuiCliOptions): Promise<void> {
  const stop = interruption();
  const store = await openKeyStore(options);
  await using page = await Gui.begin({
    store,
    stateDir: messageFolder(store),
    inbox: resolve(options.inbox ?? join(homedir(), 'udp-tool')),
    port: options.port,
    ...(options.host !== undefined && { ip: options.host }),
    ...(options.webPort !== undefined && { webPort: options.webPort }),
    withOwnCommands: (ours) => servedCommands(options.commands, ours),
    lan: options.lan,
    isReadOnly: options.readOnly === true,
    idleMs: options.idle,
    assets: new URL('../gui/page/', import.meta.url),
    onTrouble: note,
    onRunning: (addresses, isPortTaken) => tellRunning(addresses.map(formatAddress), isPortTaken, options),
  });
  const show = (): void => {
    const link = page.newLink();
    if (options.json) json({ event: 'link', url: link });
    else {
      note('Open this link in the browser of this machine; it works once:');
      note(`  ${link}`);
    }
  };
  show();
  if (!options.json) {
    note(
      `Enter shows a new one; Ctrl-C ends. From another machine, first: ssh -L ${page.webPort}:127.0.0.1:${page.webPort} HERE`,
    );
  }
  const lines = createInterface({ input: process.stdin });
  lines.on('line', show);
  await aborted(stop);
  lines.close();
}

function tellRunning(
  addresses: readonly string[],
  isPortTaken: boolean,
  { port, json: asJson }: GuiCliOptions,
): void {
  if (asJson) json({ event: 'listening', addresses, portTaken: isPortTaken });
  else if (isPortTaken)
    note(
      `Another udp-tool has port ${port} and answers peers; from here you can ask, on ${addresses.join(' and ')}.`,
    );
  else note(`Answers peers on ${addresses.join(' and ')}.`);
}

function minutes(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 10_080)
    throw new InvalidArgumentError('Idle is a number of minutes, from 1 to 10080, which is a week.');
  return value * 60_000;
}
