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
    /** This machine's own word: the datagram did not leave. */
    const stayed = (error: Error): void =>
      finish(hasSystemCode(error, 'EPERM', 'EACCES') ? 'blocked' : 'no-route');
    // ICMP: what a firewall prohibits is EHOSTUNREACH in IPv4, and EACCES in IPv6.
    socket.on('error', (error) => {
      if (hasSystemCode(error, 'ECONNREFUSED')) finish('closed');
      else finish(hasSystemCode(error, 'EHOSTUNREACH', 'ENETUNREACH', 'EACCES') ? 'unreachable' : 'silent');
    });
    socket.connect(address.port, address.ip, (error?: Error | null) => {
      if (error) stayed(error);
      else socket.send(new Uint8Array(1), (error) => error && stayed(error));
    });
  });
}
