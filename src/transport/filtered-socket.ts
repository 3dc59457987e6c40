/** A socket for a library that reads whatever comes, and should not have to. */
import { createSocket, type Socket } from 'node:dgram';

/** Unbound, IPv4, for a port that others have too; datagrams that are not accepted are as if they had not come. */
export function filteredSocket(accepts: (datagram: Uint8Array) => boolean): Socket {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  const emit = socket.emit.bind(socket) as (event: string | symbol, ...args: unknown[]) => boolean;
  socket.emit = (event: string | symbol, ...args: unknown[]): boolean =>
    event === 'message' && !accepts(args[0] as Uint8Array) ? false : emit(event, ...args);
  return socket;
}
