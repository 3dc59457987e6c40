/** One port on IPv4 and IPv6. */
import { createSocket, type Socket, type SocketOptions } from 'node:dgram';
import { hasSystemCode, UdpToolError } from '../errors.ts';
import { type Address, formatAddress, isIPv6Address } from '../session/address.ts';
import { familyOfSocket } from './inherited-sockets.ts';
import type { SharingSocketOptions } from './port-sharing.ts';

export interface BindOptions {
  /** A literal address; all of this machine's, of both families, if not given. */
  readonly ip?: string;
  /** 0 for any free port. */
  readonly port: number;
  /** With other processes of this user that say so too; `canSharePort` tells whether it can be. */
  readonly shared?: boolean;
}

type Family = 'udp4' | 'udp6';

const ANY = { udp4: '0.0.0.0', udp6: '::' } as const;
/** Room for bursts; the kernel may grant less. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
/** A port that is free for IPv4 may be taken for IPv6. */
const MAX_PORT_TRIES = 16;

/** What went through a socket, without the headers of IP and UDP. */
export interface Traffic {
  readonly datagrams: number;
  readonly bytes: number;
}

export class UdpSocket {
  /** Takes what arrives; the bytes are the callee's. */
  onDatagram: (datagram: Uint8Array, from: Address) => void = () => {};
  readonly received: { -readonly [Count in keyof Traffic]: number } = { datagrams: 0, bytes: 0 };
  readonly sent: { -readonly [Count in keyof Traffic]: number } = { datagrams: 0, bytes: 0 };
  readonly #sockets: Partial<Record<Family, Socket>>;

  private constructor(sockets: Partial<Record<Family, Socket>>) {
    this.#sockets = sockets;
    for (const socket of Object.values(sockets)) {
      socket.on('message', (datagram, { address, port }) => {
        this.received.datagrams++;
        this.received.bytes += datagram.length;
        this.onDatagram(datagram, { ip: address, port });
      });
      // Errors of single sends reach their callback; what comes here concerns no datagram that we could name.
      socket.on('error', () => {});
    }
  }

  /** @throws UdpToolError `port-in-use`, `no-permission` or `bad-usage` */
  static async bind({ ip, port, shared = false }: BindOptions): Promise<UdpSocket> {
    if (ip !== undefined) {
      const family = isIPv6Address(ip) ? 'udp6' : 'udp4';
      return new UdpSocket({ [family]: await bindOne(family, { ip, port }, shared) });
    }
    for (let tries = 1; ; tries++) {
      const udp4 = await bindOne('udp4', { ip: ANY.udp4, port }, shared).catch(unlessFamilyMissing);
      try {
        const at = { ip: ANY.udp6, port: udp4?.address().port ?? port };
        const udp6 = await bindOne('udp6', at, shared).catch(unlessFamilyMissing);
        return new UdpSocket({ ...(udp4 && { udp4 }), ...(udp6 && { udp6 }) });
      } catch (error) {
        udp4?.close();
        if (port !== 0 || tries === MAX_PORT_TRIES) throw error;
      }
    }
  }

  /**
   * Takes sockets that are bound already; where they were bound goes on to hold datagrams after this process ended.
   * @param fds one of IPv4, one of IPv6, or both
   * @throws UdpToolError `bad-usage` for what is no UDP socket, and for two of one family
   */
  static async adopt(fds: readonly number[]): Promise<UdpSocket> {
    const families = fds.map(familyOfSocket);
    if (new Set(families).size < families.length)
      throw new UdpToolError('bad-usage', 'More than one socket of a family was handed over.');
    const sockets: Partial<Record<Family, Socket>> = {};
    for (const [i, family] of families.entries()) sockets[family] = await adoptOne(family, fds[i] ?? -1);
    return new UdpSocket(sockets);
  }

  /** Where it listens. */
  get addresses(): Address[] {
    return Object.values(this.#sockets).map((socket) => {
      const { address, port } = socket.address();
      return { ip: address, port };
    });
  }

  send(datagram: Uint8Array, to: Address): void {
    this.sent.datagrams++;
    this.sent.bytes += datagram.length;
    const socket = this.#sockets[isIPv6Address(to.ip) ? 'udp6' : 'udp4'];
    // What cannot be sent is lost, as the network may lose it: the protocol sends again, and a probe tells why.
    try {
      socket?.send(datagram, to.port, to.ip); // a callback would cost a tick for each
    } catch {
      // An address that Node will not send to.
    }
  }

  async close(): Promise<void> {
    await Promise.all(
      Object.values(this.#sockets).map((socket) => new Promise<void>((done) => socket.close(() => done()))),
    );
  }
}

function bindOne(family: Family, { ip, port }: Address, shared: boolean): Promise<Socket> {
  const options: SharingSocketOptions = {
    ...optionsOf(family),
    ipv6Only: family === 'udp6', // an error for IPv4
    recvBufferSize: RECEIVE_BUFFER_BYTES,
    ...(shared && { reusePort: true }),
  };
  const how = { address: ip, port, exclusive: true };
  return listening(createSocket(options), how, (cause) => bindError(cause, { ip, port }));
}

/** Its receive buffer stays as it was made: who made it may have been granted more than this process would. */
function adoptOne(family: Family, fd: number): Promise<Socket> {
  return listening(
    createSocket(optionsOf(family)),
    { fd, exclusive: true },
    (cause) => new UdpToolError('failed', `Cannot use the socket ${fd}: ${cause.message}`, { cause }),
  );
}

function listening(
  socket: Socket,
  how: Parameters<Socket['bind']>[0] & object,
  errorOf: (cause: Error) => UdpToolError,
): Promise<Socket> {
  return new Promise((done, fail) => {
    socket.once('error', (cause) => {
      socket.close();
      fail(errorOf(cause));
    });
    socket.bind(how, () => {
      socket.removeAllListeners('error');
      done(socket);
    });
  });
}

function optionsOf(family: Family): SocketOptions {
  return {
    type: family,
    // Only literal addresses come here: node's own look-up would put every send off to the next tick.
    lookup: (address, _options, callback) => callback(null, address, family === 'udp6' ? 6 : 4),
  };
}

function bindError(cause: Error, address: Address): UdpToolError {
  const where = formatAddress(address);
  if (hasSystemCode(cause, 'EADDRINUSE')) {
    return new UdpToolError('port-in-use', `Another program uses port ${address.port} already.`, {
      cause,
      hint: `See which with "ss -ulpn sport = :${address.port}", or choose another with --port.`,
    });
  }
  if (hasSystemCode(cause, 'EACCES', 'EPERM')) {
    return new UdpToolError('no-permission', `The system does not let this user listen on ${where}.`, {
      cause,
      hint: 'Ports below 1024 are reserved; choose another with --port.',
    });
  }
  if (hasSystemCode(cause, 'EADDRNOTAVAIL')) {
    return new UdpToolError('bad-usage', `No interface of this machine has the address ${address.ip}.`, {
      cause,
      hint: 'See them with "ip address", or leave --host away to listen on all.',
    });
  }
  return new UdpToolError('failed', `Cannot listen on ${where}: ${cause.message}`, { cause });
}

/** A machine without IPv6, or without IPv4, has sockets of the other family alone. */
function unlessFamilyMissing(error: unknown): undefined {
  const cause = error instanceof UdpToolError ? error.cause : undefined;
  if (hasSystemCode(cause, 'EAFNOSUPPORT', 'EADDRNOTAVAIL')) return undefined;
  throw error;
}
