/** Two real endpoints on loopback that trust each other. */
import {
  type Command,
  createEndpoint,
  generateKeyPair,
  type KeyPair,
  type UdpEndpoint,
  type UdpEndpointOptions,
} from '../../src/index.ts';
import { LOOPBACK } from './relay.ts';

/** A monotonic clock that can be pushed on. */
export class SkewedClock {
  #ahead = 0;

  now(): number {
    return performance.now() + this.#ahead;
  }

  advance(ms: number): void {
    this.#ahead += ms;
  }
}

export const keys: { server: KeyPair; client: KeyPair } = {
  server: generateKeyPair(),
  client: generateKeyPair(),
};

export function startServer(
  commands: readonly Command[],
  options: Partial<UdpEndpointOptions> = {},
): Promise<UdpEndpoint> {
  return createEndpoint({
    keyPair: keys.server,
    peers: [{ name: 'client', publicKey: keys.client.publicKey }],
    commands,
    ip: LOOPBACK,
    ...options,
  });
}

export function startClient(port: number, options: Partial<UdpEndpointOptions> = {}): Promise<UdpEndpoint> {
  return createEndpoint({
    keyPair: keys.client,
    peers: [{ name: 'server', publicKey: keys.server.publicKey, at: `${LOOPBACK}:${port}` }],
    commands: [],
    ip: LOOPBACK,
    ...options,
  });
}

export function portOf(endpoint: UdpEndpoint): number {
  return endpoint.addresses[0]?.port ?? 0;
}

export function dropsOf(endpoint: UdpEndpoint): number {
  return Object.values(endpoint.stats.drops).reduce((sum, count) => sum + count, 0);
}

const QUICK_TURNS = 200;

/** Waits for what another turn of the event loop brings about; fails when it does not. */
export async function until(what: string, condition: () => boolean, patienceMs = 10_000): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (let turn = 0; !condition(); turn++) {
    if (performance.now() > deadline) throw new Error(`did not happen: ${what}`);
    // What takes longer leaves the processor to whoever brings it about.
    await new Promise<void>((done) => void (turn < QUICK_TURNS ? setImmediate(done) : setTimeout(done, 1)));
  }
}
