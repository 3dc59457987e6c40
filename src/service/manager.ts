/** What systemd and launchd have in common: files that describe a service, and commands that make them hold. */
import { UdpToolError } from '../errors.ts';

/** `user`: runs as one user, while that user is logged in. `system`: from the start of the machine on. */
export type ServiceScope = 'user' | 'system';

/** What a service runs: `udp-tool serve`. Paths are absolute. */
export interface ServiceOptions {
  readonly name: string;
  readonly node: string;
  readonly script: string;
  /** The key folder. */
  readonly keys: string;
  readonly port: number;
  /** Literal address to listen on; every address of the machine if not given. */
  readonly ip?: string;
  readonly workers: number;
  /** Files of own commands. */
  readonly commands: readonly string[];
}

export interface ServiceFile {
  readonly path: string;
  readonly text: string;
}

/** A program and its arguments. */
export type Argv = readonly string[];

export interface ServiceStatus {
  readonly installed: boolean;
  readonly running: boolean;
  /** Whether it starts by itself. */
  readonly enabled: boolean;
  /** In the service manager's own words. */
  readonly state: string;
  readonly pid?: number;
}

export interface ServiceManager {
  /** Whether the service runs as a user that is nobody else, and so reads what everybody may. */
  readonly hasOwnUser: boolean;
  /** Every file that a service of that name may have here. */
  paths(name: string): readonly string[];
  /** The files of a service. @throws UdpToolError `bad-usage` for what cannot be written into them */
  files(service: ServiceOptions): readonly ServiceFile[];
  /** Folders below the key folder that the service writes to, to be made before it starts. */
  folders(service: ServiceOptions): readonly string[];
  /** To be run once the files are there. */
  start(paths: readonly string[]): readonly Argv[];
  /** To be run before the files are deleted. */
  stop(paths: readonly string[]): readonly Argv[];
  /** To be run after that. */
  readonly forget: readonly Argv[];
  /** Prints what {@link readStatus} reads. */
  status(name: string): Argv;
  /** Null when that says nothing of the service, since the manager could not be asked. */
  readStatus(printed: string, exitCode: number | null): ServiceStatus | null;
  /** The command by which a person sees what the service logged. */
  log(name: string): string;
}

/** What `remove` looks for in a file before it deletes it. */
export const MARKER = 'Written by "udp-tool service install"; "udp-tool service remove" deletes it.';

/** Below the key folder, where messages are kept. */
export const MESSAGE_FOLDERS = ['inbox', 'outbox'] as const;

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** @throws UdpToolError `bad-usage` */
export function checkServiceName(name: string): void {
  if (NAME.test(name)) return;
  throw new UdpToolError('bad-usage', `"${name}" cannot be a service's name.`, {
    hint: 'Use letters, digits, dashes and underscores, 64 at most.',
  });
}

/** The command line of the service. @throws UdpToolError `bad-usage` for a line break or the like in a path */
export function serveArgv(service: ServiceOptions, listens: boolean): string[] {
  const { node, script, keys, port, ip, workers, commands } = service;
  const argv = [
    node,
    script,
    'serve',
    '--keys',
    keys,
    ...(listens ? ['--port', String(port), ...(ip === undefined ? [] : ['--host', ip])] : []),
    ...(workers > 1 ? ['--workers', String(workers)] : []),
    ...commands.flatMap((file) => ['--commands', file]),
  ];
  if (argv.some((word) => CONTROL.test(word))) {
    throw new UdpToolError('bad-usage', 'A path of the service has a line break or the like in its name.', {
      hint: 'Rename that file or folder: the key folder, a file of commands, or one above them.',
    });
  }
  return argv;
}

const CONTROL = /\p{Cc}/u;
