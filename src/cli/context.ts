/** What the verbs share: the key folder, the choice of a peer, and the end by Ctrl-C. */
import { join } from 'node:path';
import { KeyStore, keyFolder, type PeerOptions, secretCredential, UdpToolError } from '../index.ts';

export interface KeyOptions {
  readonly keys?: string | undefined;
}

export async function openKeyStore({ keys }: KeyOptions): Promise<KeyStore> {
  return new KeyStore(await keyFolder(keys), await secretCredential());
}

/** Where messages are kept, and where peers were seen: in the key folder, or in the one that systemd gives a service that may not write there. */
export function messageFolder({ dir }: KeyStore): string {
  const [state] = (process.env['STATE_DIRECTORY'] ?? '').split(':');
  return state || dir;
}

/** Where the hashes of what is shared are kept. */
export function hashFolder(store: KeyStore): string {
  return join(messageFolder(store), 'hashes');
}

/** @throws UdpToolError `unknown-peer` */
export function peerNamed(peers: readonly PeerOptions[], wanted: string): PeerOptions {
  const peer = peers.find(({ name }) => name === wanted);
  if (peer !== undefined) return peer;
  throw new UdpToolError('unknown-peer', `No peer is called "${wanted}".`, {
    hint:
      peers.length === 0
        ? 'There is none yet: add one with "udp-tool peer add NAME KEY --at HOST:PORT".'
        : `There are: ${peers.map(({ name }) => name).join(', ')}.`,
  });
}

/** The peer that is meant: the one named, else the only one with an address. */
export function choosePeer(
  peers: readonly PeerOptions[],
  to: string | undefined,
  how = '--to NAME',
): PeerOptions {
  if (to !== undefined) return peerNamed(peers, to);
  const askable = peers.filter(({ at }) => at !== undefined);
  const [only] = askable;
  if (only !== undefined && askable.length === 1) return only;
  const [single] = peers;
  if (single !== undefined && peers.length === 1 && only === undefined) {
    throw new UdpToolError('no-address', `There is no address for "${single.name}".`, {
      hint: `Give one: udp-tool peer add ${single.name} ${single.publicKey} --at HOST:PORT`,
    });
  }
  if (only === undefined) {
    throw new UdpToolError('unknown-peer', 'There is no peer with an address to ask.', {
      hint: 'Add one: "udp-tool peer add NAME KEY --at HOST:PORT", with the key that "udp-tool keygen" printed there.',
    });
  }
  throw new UdpToolError('bad-usage', 'Several peers have an address.', {
    hint: `Say which with ${how}: ${askable.map(({ name }) => name).join(', ')}.`,
  });
}

/** Aborts at the first Ctrl-C or SIGTERM; a second one ends the process as the system does. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort(signal));
  return controller.signal;
}

/** Resolves once the signal has aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    signal.addEventListener('abort', () => done(), { once: true });
  });
}
