/** Asks the network, not the peer, whether anything listens on a port. */
import { createSocket } from 'node:dgram';
import { hasSystemCode } from '../errors.ts';
import { type Address, isIPv6Address } from '../session/address.ts';

/**
 * What the system said. `closed`: the machine is there and nothing listens. `no-route`: the datagram did not leave.
 * `unreachable`: a machine on the way, or the other one's firewall, says no.
 * `blocked`: this machine's own firewall does not let it out. `silent`: what a listening peer, a dropping firewall and
 * an address of nobody have in common.
 */
export type ProbeResult = 'closed' | 'no-route' | 'unreachable' | 'blocked' | 'silent';

/**
 * Sends a byte that every peer drops, from a connected socket, since only that is told of ICMP errors.
 * @param waitMs how long to wait for ICMP
 */
export function probePort(address: Address, waitMs: number): Promise<ProbeResult> {
  return new Promise((done) => {
    const socket = createSocket(isIPv6Address(address.ip) ? 'udp6' : 'udp4');
    let finished = false;
    const finish = (result: ProbeResult): void => {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      socket.close();
      done(result);
    };
    const timer = setTimeout(finish, waitMs, 'silent');
    const fail = (error: Error | null): void => {
      if (error === null) return;
      if (hasSystemCode(error, 'ECONNREFUSED')) finish('closed');
      else if (hasSystemCode(error, 'EPERM', 'EACCES')) finish('blocked');
      else if (hasSystemCode(error, 'EHOSTUNREACH')) finish('unreachable');
      else finish(hasSystemCode(error, ...NO_ROUTE_CODES) ? 'no-route' : 'silent');
    };
    socket.on('error', fail);
    socket.connect(address.port, address.ip, (error?: Error | null) => {
      if (error) fail(error);
      else socket.send(new Uint8Array(1), fail);
    });
  });
}

const NO_ROUTE_CODES: readonly string[] = ['ENETUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT'];
