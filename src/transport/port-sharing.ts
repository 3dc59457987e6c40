/** Whether several processes can have one UDP port, the kernel giving each a share of the clients (SO_REUSEPORT). */
import { createSocket, type Socket, type SocketOptions } from 'node:dgram';
import { once } from 'node:events';

/** What Node 22.12 and 23.1 brought; before, it is silently ignored. */
export type SharingSocketOptions = SocketOptions & { readonly reusePort?: boolean };

const LOOPBACK = '127.0.0.1';

/** Found out by doing it: neither the version of Node nor the system alone tells. */
export async function canSharePort(): Promise<boolean> {
  const sockets: Socket[] = [];
  const share = async (port: number): Promise<number> => {
    const options: SharingSocketOptions = { type: 'udp4', reusePort: true };
    const socket = createSocket(options);
    sockets.push(socket);
    socket.bind({ address: LOOPBACK, port, exclusive: true });
    await once(socket, 'listening');
    return socket.address().port;
  };
  try {
    await share(await share(0));
    return true;
  } catch {
    return false;
  } finally {
    for (const socket of sockets) socket.close();
  }
}
