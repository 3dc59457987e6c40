/** UDP sockets that a service manager bound before it started this process: sd_listen_fds(3). */
import { readFileSync, readlinkSync } from 'node:fs';
import { UdpToolError } from '../errors.ts';

const FIRST_FD = 3;
const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const;

/**
 * The descriptors of the sockets that are meant for this process; none where nobody handed any over. They are taken
 * once: what this process starts is told of none, and Node closed them to it already.
 */
export function takeInheritedSockets(env: NodeJS.ProcessEnv = process.env): readonly number[] {
  const isMeant = env['LISTEN_PID'] === String(process.pid);
  const count = Number(env['LISTEN_FDS'] ?? 0);
  for (const variable of VARIABLES) delete env[variable];
  if (!isMeant || !Number.isInteger(count) || count < 1) return [];
  return Array.from({ length: count }, (_, i) => FIRST_FD + i);
}

/**
 * Whether a UDP socket is IPv4's or IPv6's. Node has to know before it takes the socket, and takes it only once; Linux
 * lists the sockets of each family by inode (proc_net(5)).
 * @throws UdpToolError `bad-usage` for what is no UDP socket
 */
export function familyOfSocket(fd: number): 'udp4' | 'udp6' {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
    if (inode !== undefined) {
      if (inodesIn('/proc/self/net/udp').has(inode)) return 'udp4';
      if (inodesIn('/proc/self/net/udp6').has(inode)) return 'udp6';
    }
  } catch {
    // No such descriptor, or a system without IPv6.
  }
  throw new UdpToolError('bad-usage', `The file descriptor ${fd} is no bound UDP socket.`, {
    hint: 'A unit that hands sockets over says ListenDatagram=, as the one of "udp-tool service install" does.',
  });
}

/** The tenth column of every line but the first. */
function inodesIn(table: string): Set<string | undefined> {
  const [, ...sockets] = readFileSync(table, 'latin1').trimEnd().split('\n');
  return new Set(sockets.map((line) => line.trim().split(/\s+/)[9]));
}
