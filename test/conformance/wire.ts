/** A UDP wire on loopback from one client to one server, which loses datagrams and changes the client's address. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

const LOOPBACK = '127.0.0.1';

export interface Crossing {
  readonly datagram: Uint8Array;
  readonly towards: 'server' | 'client';
  /** Which of its addresses the client had then, towards the server. */
  readonly path: number;
}

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, LOOPBACK);
  await once(socket, 'listening');
  return socket;
}

export class Wire {
  readonly port: number;
  /** What came out at the other end, in order. */
  readonly crossed: Crossing[] = [];
  /** The address that the server sees the client at. */
  path = 0;
  readonly #inner: Socket;
  readonly #outer: readonly Socket[];

  private constructor(inner: Socket, outer: readonly Socket[]) {
    this.#inner = inner;
    this.#outer = outer;
    this.port = inner.address().port;
  }

  /** `loses` sees each datagram before it crosses, and may change `path`. */
  static async open(
    server: number,
    paths: number,
    loses: (wire: Wire, datagram: Uint8Array, towards: Crossing['towards']) => boolean,
  ): Promise<Wire> {
    const inner = await bound();
    const outer = await Promise.all(Array.from({ length: paths }, bound));
    const wire = new Wire(inner, outer);
    let client = 0;
    inner.on('message', (bytes, { port }) => {
      client = port;
      const datagram = Uint8Array.from(bytes);
      if (loses(wire, datagram, 'server')) return;
      wire.crossed.push({ datagram, towards: 'server', path: wire.path });
      outer[wire.path]?.send(datagram, server, LOOPBACK);
    });
    for (const [path, socket] of outer.entries())
      socket.on('message', (bytes) => {
        const datagram = Uint8Array.from(bytes);
        if (loses(wire, datagram, 'client')) return;
        wire.crossed.push({ datagram, towards: 'client', path });
        inner.send(datagram, client, LOOPBACK);
      });
    return wire;
  }

  [Symbol.dispose](): void {
    for (const socket of [this.#inner, ...this.#outer]) socket.close();
  }
}
