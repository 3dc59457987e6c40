/** Installs `udp-tool serve` as a service, asks the service manager how it is, and removes it. */
import { spawn } from 'node:child_process';
import { chmod, mkdir, open, readFile, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { writeDurably } from '../durable-file.ts';
import { hasSystemCode, UdpToolError } from '../errors.ts';
import { launchd } from './launchd.ts';
import {
  type Argv,
  checkServiceName,
  MARKER,
  type ServiceFile,
  type ServiceManager,
  type ServiceOptions,
  type ServiceScope,
  type ServiceStatus,
} from './manager.ts';
import { systemd } from './systemd.ts';

/** The key folder of a service of the system. */
export const SYSTEM_KEYS = '/etc/udp-tool';

/** What an installation changes, in this order. */
export interface InstallPlan {
  /** Of a service of that name, which is replaced. */
  readonly remove: RemovalPlan;
  readonly folders: readonly string[];
  readonly files: readonly ServiceFile[];
  readonly run: readonly Argv[];
}

export interface RemovalPlan {
  readonly stop: readonly Argv[];
  readonly files: readonly string[];
  readonly forget: readonly Argv[];
}

/** @throws UdpToolError `service-failed` where there is none that is known here */
export function serviceManager(
  scope: ServiceScope,
  platform: NodeJS.Platform = process.platform,
): ServiceManager {
  if (platform === 'linux') return systemd(scope);
  if (platform === 'darwin') return launchd(scope);
  throw new UdpToolError('service-failed', `No service manager of ${platform} is known to udp-tool.`, {
    hint: 'Have it run "udp-tool serve" by its own means.',
  });
}

/**
 * @throws UdpToolError `bad-usage` for what cannot be a service, `service-failed` where a file is in the way that this
 *   did not write
 */
export async function planInstallation(
  manager: ServiceManager,
  service: ServiceOptions,
): Promise<InstallPlan> {
  if (service.port === 0) {
    throw new UdpToolError('bad-usage', 'A service needs a port that its peers know.', {
      hint: 'Give one other than 0 with --port, or leave --port away.',
    });
  }
  const remove = await planRemoval(manager, service.name);
  const files = manager.files(service);
  const run = manager.start(files.map(({ path }) => path));
  return { remove, folders: manager.folders(service), files, run };
}

/** Nothing to remove is an empty plan. @throws UdpToolError `bad-usage`, `service-failed` as {@link planInstallation} */
export async function planRemoval(manager: ServiceManager, name: string): Promise<RemovalPlan> {
  checkServiceName(name);
  const files: string[] = [];
  for (const path of manager.paths(name)) if (await isOurs(path)) files.push(path);
  return files.length === 0
    ? { stop: [], files, forget: [] }
    : { stop: manager.stop(files), files, forget: manager.forget };
}

async function isOurs(path: string): Promise<boolean> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (hasSystemCode(cause, 'ENOENT')) return false;
    throw failed('read', path, cause);
  }
  if (text.includes(MARKER)) return true;
  throw new UdpToolError('service-failed', `${path} was not written by udp-tool, which leaves it alone.`, {
    hint: 'Choose another name with --name, or move the file away.',
  });
}

/** How long a service is watched that was started just now: it fails within this, if it does. */
const WATCHED_MS = 1_500;

/** @throws UdpToolError `no-permission`, and `service-failed` also where the service ends as soon as it is started */
export async function installService(
  manager: ServiceManager,
  name: string,
  { remove, folders, files, run }: InstallPlan,
): Promise<ServiceStatus> {
  await removeService(remove);
  try {
    for (const folder of folders) await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const file of files) await write(file);
    for (const argv of run) await runTool(argv);
  } catch (cause) {
    await undo(manager, name);
    throw failed('install', name, cause);
  }
  await delay(WATCHED_MS);
  const status = await serviceStatus(manager, name);
  if (status.running) return status;
  throw new UdpToolError(
    'service-failed',
    `The service "${name}" ended when it was started: ${status.state}.`,
    {
      hint: `See why with: ${manager.log(name)}   It is tried again and again; "udp-tool service remove" ends that.`,
    },
  );
}

/** Half a service is none: whatever can be taken back is. */
async function undo(manager: ServiceManager, name: string): Promise<void> {
  const { stop, files, forget } = await planRemoval(manager, name);
  for (const argv of stop) await tool(argv).catch(() => {});
  for (const path of files) await unlink(path).catch(() => {});
  for (const argv of forget) await tool(argv).catch(() => {});
}

/** @throws UdpToolError `service-failed`, `no-permission` */
export async function removeService({ stop, files, forget }: RemovalPlan): Promise<void> {
  for (const argv of stop) await runTool(argv);
  for (const path of files) {
    try {
      await unlink(path);
    } catch (cause) {
      if (!hasSystemCode(cause, 'ENOENT')) throw failed('delete', path, cause);
    }
  }
  for (const argv of forget) await runTool(argv);
}

/** @throws UdpToolError `bad-usage`, `service-failed` */
export async function serviceStatus(manager: ServiceManager, name: string): Promise<ServiceStatus> {
  checkServiceName(name);
  const argv = manager.status(name);
  const said = await tool(argv);
  const status = manager.readStatus(said.printed, said.code);
  if (status === null) throw refused(argv, said);
  return status;
}

/**
 * For a service with a user of its own: lets everybody read the key folder and the peer book, in which there is no secret,
 * and refuses what of the program others cannot read. The secret key comes to the service as a credential.
 * @throws UdpToolError `bad-usage`, `no-permission`
 */
export async function openForOwnUser({ node, script, keys, commands }: ServiceOptions): Promise<void> {
  for (const path of [node, script, dirname(keys), ...commands]) await refuseUnreadable(path);
  try {
    await chmod(keys, 0o755);
    const book = await open(join(keys, 'peers.toml'), 'a');
    await book.chmod(0o644).finally(() => book.close());
  } catch (cause) {
    throw failed('open', keys, cause);
  }
}

async function refuseUnreadable(path: string): Promise<void> {
  for (let at = path; ; at = dirname(at)) {
    const entry = await stat(at).catch((cause: unknown) => {
      throw failed('read', at, cause);
    });
    const needed = entry.isDirectory() ? 0o001 : 0o004;
    if ((entry.mode & needed) === 0) {
      throw new UdpToolError(
        'bad-usage',
        `A service of the system, as a user of its own, cannot read ${at}.`,
        {
          hint: `Install udp-tool and its files where all users can read them, such as /opt or /usr/local, or do without --system.`,
        },
      );
    }
    if (at === dirname(at)) return;
  }
}

async function write({ path, text }: ServiceFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.new`;
  await writeDurably({ path, temporary, mode: 0o644 }, async () => text);
}

async function runTool(argv: Argv): Promise<void> {
  const said = await tool(argv);
  if (said.code !== 0) throw refused(argv, said);
}

function refused(argv: Argv, { code, complaint }: Said): UdpToolError {
  const why = complaint.trim().split('\n')[0] || `exit code ${code}`;
  return new UdpToolError('service-failed', `"${argv.join(' ')}" failed: ${why}`, {
    hint: 'A service of the system is for root; one of a user for who is logged in as that user, not by su or sudo.',
  });
}

interface Said {
  readonly code: number | null;
  readonly printed: string;
  readonly complaint: string;
}

function tool(argv: Argv): Promise<Said> {
  const [file = '', ...args] = argv;
  return new Promise((done, fail) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let [printed, complaint] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
    child.once('error', (cause) => {
      const message = `${file} cannot be started, by which services are managed here.`;
      fail(
        new UdpToolError('service-failed', message, {
          cause,
          hint: 'Without it, have "udp-tool serve" run by other means.',
        }),
      );
    });
    child.once('close', (code) => done({ code, printed, complaint }));
  });
}

function failed(what: string, path: string, cause: unknown): UdpToolError {
  if (cause instanceof UdpToolError) return cause;
  const isDenied = hasSystemCode(cause, 'EACCES', 'EPERM', 'EROFS');
  const message = cause instanceof Error ? cause.message : String(cause);
  return new UdpToolError(
    isDenied ? 'no-permission' : 'service-failed',
    `Cannot ${what} ${path}: ${message}`,
    {
      cause,
      ...(isDenied && { hint: 'With --system, root has to say it.' }),
    },
  );
}
