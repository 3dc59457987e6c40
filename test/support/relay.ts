/** A recording, meddling relay between two real sockets. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

export const LOOPBACK = '127.0.0.1';

export interface Recorded {
  readonly toServer: boolean;
  readonly datagram: Uint8Array;
}

/** What happens to a datagram: those returned are passed on, now. */
export type Meddle = (recorded: Recorded, relay: Relay) => Uint8Array[];

export class Relay implements AsyncDisposable {
  readonly recorded: Recorded[] = [];
  meddle: Meddle = ({ datagram }) => [datagram];
  readonly #inside: Socket;
  #outside: Socket;
  #server: number;
  #client: RemoteInfo | null = null;
  #closed = false;

  private constructor(inside: Socket, outside: Socket, server: number) {
    this.#inside = inside;
    this.#outside = outside;
    this.#server = server;
    inside.on('message', (datagram, from) => {
      this.#client = from;
      this.#pass({ toServer: true, datagram });
    });
    this.#listenOutside();
  }

  static async open(server: number): Promise<Relay> {
    return new Relay(await boundSocket(), await boundSocket(), server);
  }

  /** Where a client is to believe the server. */
  get port(): number {
    return this.#inside.address().port;
  }

  set server(port: number) {
    this.#server = port;
  }

  /** From now on the server sees the client at another address; what it sends to the old one is lost. */
  async changeAddress(): Promise<void> {
    const old = this.#outside;
    this.#outside = await boundSocket();
    this.#listenOutside();
    await closed(old);
  }

  #listenOutside(): void {
    this.#outside.on('message', (datagram) => this.#pass({ toServer: false, datagram }));
  }

  send(toServer: boolean, datagram: Uint8Array): void {
    if (this.#closed) return; // a datagram that was held up
    if (toServer) this.#outside.send(datagram, this.#server, LOOPBACK);
    else if (this.#client !== null) this.#inside.send(datagram, this.#client.port, LOOPBACK);
  }

  #pass(recorded: Recorded): void {
    this.recorded.push(recorded);
    for (const datagram of this.meddle(recorded, this)) this.send(recorded.toServer, datagram);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await closed(this.#inside);
    await closed(this.#outside);
  }
}

/** Somebody who sends datagrams and counts what comes back. */
export class Stranger implements AsyncDisposable {
  readonly #socket: Socket;
  answers: Uint8Array[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (datagram) => this.answers.push(datagram));
  }

  static async open(): Promise<Stranger> {
    return new Stranger(await boundSocket());
  }

  /** Resolves when the system has taken the datagram. */
  send(datagram: Uint8Array, port: number): Promise<void> {
    return new Promise((done, fail) => {
      this.#socket.send(datagram, port, LOOPBACK, (error) => (error ? fail(error) : done()));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closed(this.#socket);
  }
}

async function boundSocket(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
  socket.bind(0, LOOPBACK);
  await once(socket, 'listening');
  return socket;
}

async function closed(socket: Socket): Promise<void> {
  socket.close();
  await once(socket, 'close');
}
