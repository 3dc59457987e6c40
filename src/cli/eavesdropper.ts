/** Somebody on the wire: passes datagrams on, keeps a copy of each, and can send any of them again. For the demo. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

export interface Overheard {
  readonly direction: 'to server' | 'to client';
  readonly datagram: Uint8Array;
}

export class Eavesdropper implements AsyncDisposable {
  readonly overheard: Overheard[] = [];
  /** Bytes that anybody sent in answer to an attack. */
  bytesAnswered = 0;
  readonly #clientSide: Socket;
  readonly #serverSide: Socket;
  readonly #attacker: Socket;
  readonly #serverPort: number;
  #client: RemoteInfo | null = null;

  private constructor(serverPort: number, sockets: [Socket, Socket, Socket]) {
    [this.#clientSide, this.#serverSide, this.#attacker] = sockets;
    this.#serverPort = serverPort;
    this.#clientSide.on('message', (datagram, from) => {
      this.#client = from;
      this.overheard.push({ direction: 'to server', datagram });
      this.#serverSide.send(datagram, serverPort, HOST);
    });
    this.#serverSide.on('message', (datagram) => {
      this.overheard.push({ direction: 'to client', datagram });
      if (this.#client !== null) this.#clientSide.send(datagram, this.#client.port, HOST);
    });
    this.#attacker.on('message', (datagram) => {
      this.bytesAnswered += datagram.length;
    });
  }

  static async open(serverPort: number): Promise<Eavesdropper> {
    return new Eavesdropper(serverPort, [await bind(), await bind(), await bind()]);
  }

  /** Where the client believes the server to be. */
  get port(): number {
    return this.#clientSide.address().port;
  }

  /** Sends a datagram to the server from a port of its own. */
  attack(datagram: Uint8Array): void {
    this.#attacker.send(datagram, this.#serverPort, HOST);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of [this.#clientSide, this.#serverSide, this.#attacker]) {
      socket.close();
      await once(socket, 'close');
    }
  }
}

const HOST = '127.0.0.1';

async function bind(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, HOST);
  await once(socket, 'listening');
  return socket;
}
