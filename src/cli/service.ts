/** `service`: has the service manager of the machine run `serve` for good. */
import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import {
  type Argv,
  builtinCommands,
  type InstallPlan,
  installService,
  openForOwnUser,
  planInstallation,
  planRemoval,
  type RemovalPlan,
  removeService,
  type ServiceOptions,
  type ServiceScope,
  type ServiceStatus,
  SYSTEM_KEYS,
  serviceManager,
  serviceStatus,
  UdpToolError,
} from '../index.ts';
import { type KeyOptions, openKeyStore } from './context.ts';
import { commandsOption, hostOption, keysOption, portOption, workersOption } from './options.ts';
import { data, forData, json, note } from './output.ts';
import { servedCommands } from './served-commands.ts';

interface WhichOptions {
  readonly name: string;
  readonly system?: boolean;
  readonly json?: boolean;
  readonly dryRun?: boolean;
}

interface InstallOptions extends WhichOptions, KeyOptions {
  readonly host?: string;
  readonly port: number;
  readonly workers: number;
  readonly commands: readonly string[];
}

export function addService(program: Command): void {
  const service = program.command('service').description('have systemd or launchd run "serve" for good');

  which(service.command('install'))
    .description('install and start it, or install it anew with other options')
    .addOption(portOption())
    .addOption(hostOption())
    .addOption(workersOption())
    .addOption(commandsOption())
    .addOption(keysOption())
    .addOption(dryRunOption())
    .option('--json', 'one object')
    .action(installVerb);

  which(service.command('status'))
    .description('what the service manager says of it')
    .option('--json', 'one object')
    .action(statusVerb);

  which(service.command('remove'))
    .description('stop it and delete what "install" wrote; keys, peers and messages stay')
    .addOption(dryRunOption())
    .option('--json', 'one object')
    .action(removeVerb);
}

function which(command: Command): Command {
  return command
    .addOption(
      new Option('--user', 'of this user, while logged in; so it is if not given').conflicts('system'),
    )
    .addOption(
      new Option('--system', 'of the machine, as a user of its own, from its start on; root says it'),
    )
    .addOption(new Option('--name <name>', 'what the service is called').default('udp-tool'));
}

function dryRunOption(): Option {
  return new Option('--dry-run', 'change nothing; print what would be written and run');
}

function scopeOf({ system = false }: WhichOptions): ServiceScope {
  return system ? 'system' : 'user';
}

async function installVerb(options: InstallOptions): Promise<void> {
  const { name, host, port, workers, keys } = options;
  const scope = scopeOf(options);
  const manager = serviceManager(scope);
  const store = await openKeyStore({ keys: keys ?? (scope === 'system' ? SYSTEM_KEYS : undefined) });
  const service: ServiceOptions = {
    name,
    node: process.execPath,
    script: await realpath(process.argv[1] ?? ''),
    keys: store.dir,
    port,
    ...(host === undefined ? {} : { ip: host }),
    workers,
    commands: options.commands.map((file) => resolve(file)),
  };
  const plan = await planInstallation(manager, service);
  if (options.dryRun) {
    if (options.json) json({ dryRun: true, ...plan });
    else showInstallation(plan);
    return;
  }
  // What "serve" would stumble over is told now rather than in its log.
  await store.loadKeyPair();
  const peers = await store.loadPeers();
  await servedCommands(service.commands, builtinCommands);
  if (manager.hasOwnUser) {
    const secret = peers.find(({ psk }) => psk !== undefined);
    if (secret !== undefined) {
      throw new UdpToolError(
        'bad-usage',
        `A service with a user of its own cannot read the pre-shared key of "${secret.name}".`,
        { hint: 'Do without --system, or without that key.' },
      );
    }
    await openForOwnUser(service);
  }
  tellStatus(options, await installService(manager, name, plan));
  note(`What it logs: ${manager.log(name)}`);
  if (scope === 'user' && process.platform === 'linux')
    note(
      'It runs while you are logged in. To have it run from the start of the machine on: loginctl enable-linger',
    );
}

async function statusVerb(options: WhichOptions): Promise<void> {
  tellStatus(options, await serviceStatus(serviceManager(scopeOf(options)), options.name));
}

async function removeVerb(options: WhichOptions): Promise<void> {
  const plan = await planRemoval(serviceManager(scopeOf(options)), options.name);
  if (options.dryRun) {
    if (options.json) json({ dryRun: true, ...plan });
    else showRemoval(plan);
    return;
  }
  await removeService(plan);
  if (options.json) json({ name: options.name, removed: plan.files });
  if (plan.files.length === 0) note(`There is no service "${options.name}" to remove.`);
  for (const path of plan.files) note(`Deleted ${path}`);
}

function tellStatus({ name, json: asJson }: WhichOptions, status: ServiceStatus): void {
  if (asJson) {
    json({ name, ...status });
    return;
  }
  const { installed, state, enabled, pid } = status;
  data(
    installed
      ? `${name}: ${state}, ${enabled ? 'starts' : 'does not start'} by itself${pid === undefined ? '' : `, process ${pid}`}`
      : `${name}: not installed`,
  );
}

function showInstallation({ remove, folders, files, run }: InstallPlan): void {
  showRemoval(remove);
  for (const folder of folders) data(forData.bold(`# folder ${folder}`));
  for (const { path, text } of files) {
    data(forData.bold(`# file ${path}`));
    data(text);
  }
  showCommands(run);
}

function showRemoval({ stop, files, forget }: RemovalPlan): void {
  showCommands(stop);
  for (const path of files) data(forData.bold(`# delete ${path}`));
  showCommands(forget);
}

function showCommands(commands: readonly Argv[]): void {
  for (const argv of commands) data(forData.bold(`# run ${argv.join(' ')}`));
}
