/** The units of systemd: systemd.service(5), systemd.socket(5), systemd.exec(5). */
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { UdpToolError } from '../errors.ts';
import { SECRET_CREDENTIAL } from '../keystore.ts';
import { formatAddress, isIPv6Address } from '../session/address.ts';
import {
  type Argv,
  MARKER,
  MESSAGE_FOLDERS,
  type ServiceManager,
  type ServiceOptions,
  type ServiceScope,
  type ServiceStatus,
  serveArgv,
} from './manager.ts';

/** Between two tries of a service that fails: below systemd's limit of five starts in ten seconds. */
const RESTART_S = 5;

/**
 * What Node needs none of. Writable and executable memory is left: V8 compiles into it. For os.networkInterfaces there
 * is AF_NETLINK. These need no privilege, so a service of a user has them too.
 */
const HARDENING = [
  'UMask=0077',
  'LimitCORE=0', // a core dump holds keys
  'NoNewPrivileges=yes',
  'LockPersonality=yes',
  'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallFilter=~@privileged @resources',
  'SystemCallErrorNumber=EPERM',
  'ProtectSystem=strict',
  'PrivateTmp=yes',
  'ProtectControlGroups=yes',
  'ProtectKernelTunables=yes',
] as const;

/** What the manager of a user may not do. */
const SYSTEM_HARDENING = [
  'DynamicUser=yes',
  'CapabilityBoundingSet=',
  'AmbientCapabilities=',
  'PrivateDevices=yes',
  'PrivateUsers=yes',
  'ProtectClock=yes',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectProc=invisible',
] as const;

const HOMES = /^\/(home|root|run\/user)(\/|$)/;

export function systemd(scope: ServiceScope): ServiceManager {
  const config = process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config');
  const folder = scope === 'system' ? '/etc/systemd/system' : join(config, 'systemd', 'user');
  const manager = scope === 'system' ? [] : ['--user'];
  const systemctl = (...args: readonly string[]): Argv => ['systemctl', ...manager, ...args];
  const names = (paths: readonly string[]): string[] => paths.map((path) => basename(path));
  return {
    hasOwnUser: scope === 'system',
    paths: (name) => [join(folder, `${name}.socket`), join(folder, `${name}.service`)],
    files(service) {
      const socket = socketUnit(service);
      const text = serviceUnit(service, scope);
      return [
        ...(socket === null ? [] : [{ path: join(folder, `${service.name}.socket`), text: socket }]),
        { path: join(folder, `${service.name}.service`), text },
      ];
    },
    folders: ({ keys }) => (scope === 'user' ? MESSAGE_FOLDERS.map((name) => join(keys, name)) : []),
    start: (paths) => [systemctl('daemon-reload'), systemctl('enable', '--now', ...names(paths))],
    stop: (paths) => [systemctl('disable', '--now', ...names(paths))],
    forget: [systemctl('daemon-reload')],
    status: (name) => systemctl('show', `--property=${PROPERTIES.join(',')}`, `${name}.service`),
    readStatus,
    log: (name) => `journalctl ${scope === 'system' ? '--unit' : '--user-unit'} ${name}`,
  };
}

/**
 * The socket unit: the port stays open while the service restarts, and holds what arrives meanwhile. Null with workers,
 * who share a port by sockets of their own.
 */
export function socketUnit({ name, port, ip, workers }: ServiceOptions): string | null {
  if (workers > 1) return null;
  const at = ip === undefined ? ['0.0.0.0', '::'] : [ip];
  return unit([
    ['Unit', ['Description=The port of udp-tool']],
    [
      'Socket',
      [
        ...at.map((one) => `ListenDatagram=${escapeSpecifiers(formatAddress({ ip: one, port }))}`),
        ...(at.some(isIPv6Address) ? ['BindIPv6Only=ipv6-only'] : []),
        ...(ip === undefined ? [] : ['# The address may come later than the service.', 'FreeBind=yes']),
        'ReceiveBuffer=1M',
        `Service=${name}.service`,
      ],
    ],
    ['Install', ['WantedBy=sockets.target']],
  ]);
}

/** The service unit. @throws UdpToolError `bad-usage` for what cannot be written into it */
export function serviceUnit(service: ServiceOptions, scope: ServiceScope): string {
  const { name, node, script, keys, workers, commands } = service;
  const hasSocket = workers === 1;
  const inHome = [node, script, keys, ...commands].some((path) => HOMES.test(path));
  const isSystem = scope === 'system';
  return unit([
    [
      'Unit',
      [
        'Description=udp-tool: encrypted UDP between the machines of one owner',
        'Documentation=man:udp-tool(1)',
        ...(hasSocket ? [`Requires=${name}.socket`, `After=${name}.socket`] : []),
        ...(isSystem ? ['After=network.target'] : []),
      ],
    ],
    [
      'Service',
      [
        'Type=exec',
        `ExecStart=${commandLine(serveArgv(service, !hasSocket))}`,
        'ExecReload=kill -HUP $MAINPID',
        'Restart=on-failure',
        `RestartSec=${RESTART_S}`,
        // The rest of the line is the path: quotes would be part of it.
        `LoadCredential=${SECRET_CREDENTIAL}:${escapeSpecifiers(join(keys, 'secret.key'))}`,
        ...(isSystem
          ? [`StateDirectory=${name}`, 'StateDirectoryMode=0700']
          : MESSAGE_FOLDERS.map((folder) => `ReadWritePaths=${word(`-${join(keys, folder)}`)}`)),
        // The credentials of a user's service are below /run/user, which counts as a home.
        `ProtectHome=${isSystem && !inHome ? 'yes' : 'read-only'}`,
        ...HARDENING,
        ...(isSystem ? SYSTEM_HARDENING : []),
      ],
    ],
    ['Install', [`WantedBy=${isSystem ? 'multi-user.target' : 'default.target'}`]],
  ]);
}

function unit(sections: readonly (readonly [string, readonly string[]])[]): string {
  const texts = sections.map(([title, lines]) => `[${title}]\n${lines.join('\n')}\n`);
  return `# ${MARKER}\n# To change it, "systemctl edit" (of a user: "systemctl --user edit") makes a file of your own beside it.\n\n${texts.join('\n')}`;
}

function escapeSpecifiers(text: string): string {
  return text.replaceAll('%', '%%');
}

/** systemd.syntax(7) QUOTING */
function word(text: string): string {
  const escaped = escapeSpecifiers(text);
  if (/^[\w/.:=+,@%-]+$/.test(escaped)) return escaped;
  return `"${escaped.replace(/["\\]/g, '\\$&')}"`;
}

/**
 * systemd.service(5) COMMAND LINES: in arguments, variables are replaced too; and what is to be executed cannot have
 * certain characters in its name, however they are quoted.
 */
function commandLine([program = '', ...args]: readonly string[]): string {
  if (/["'\\]/.test(program)) {
    throw new UdpToolError('bad-usage', `systemd starts no program with quotes in its path: ${program}`, {
      hint: 'Use a Node that is installed elsewhere.',
    });
  }
  return [word(program), ...args.map((arg) => word(arg).replaceAll('$', '$$$$'))].join(' ');
}

const PROPERTIES = ['LoadState', 'ActiveState', 'SubState', 'UnitFileState', 'MainPID'] as const;

function readStatus(printed: string, exitCode: number | null): ServiceStatus | null {
  if (exitCode !== 0) return null; // also of a service that there is not, `show` shows something
  const properties = new Map(
    printed.split('\n').map((line) => {
      const [name = '', ...value] = line.split('=');
      return [name, value.join('=')];
    }),
  );
  const [load, active, sub, file, pid] = PROPERTIES.map((name) => properties.get(name) ?? '');
  const isEnabled = file === 'enabled';
  return {
    installed: load === 'loaded',
    running: active === 'active',
    enabled: isEnabled,
    state: `${active} (${sub})`,
    ...(Number(pid) > 0 && { pid: Number(pid) }),
  };
}
