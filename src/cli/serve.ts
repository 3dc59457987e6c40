import { networkInterfaces } from 'node:os';
import type { Command } from 'commander';
import {
  createEndpoint,
  DEFAULT_PORT,
  type DropReason,
  formatAddress,
  type KeyStore,
  type PeerOptions,
  type RequestLog,
  type UdpEndpoint,
  UdpToolError,
} from '../index.ts';
import { interruption, type KeyOptions, openKeyStore } from './context.ts';
import { keysOption, localAddress, port } from './options.ts';
import { json, note, printable } from './output.ts';

interface ServeOptions extends KeyOptions {
  readonly host?: string;
  readonly port: number;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

/** How often `-v` looks whether something was dropped. */
const DROP_REPORT_MS = 1_000;

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('answer the peers, until Ctrl-C')
    .option('--host <address>', 'local IP address to listen on; all if not given', localAddress)
    .option('--port <number>', 'UDP port, 0 for any free one', port, DEFAULT_PORT)
    .addOption(keysOption())
    .option('-v, --verbose', 'one line a request, and what was dropped and why')
    .option('--json', 'one object a line on stdout: listening, request, dropped, peers')
    .action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  const stop = interruption();
  const store = await openKeyStore(options);
  const keyPair = await store.loadKeyPair();
  const peers = await store.loadPeers();
  const report = reporter(options);
  await using endpoint = await createEndpoint({
    keyPair,
    peers,
    port: options.port,
    ...(options.host === undefined ? {} : { ip: options.host }),
    onRequest: report.request,
  });
  const known = new Map(peers.map((peer) => [peer.name, fingerprint(peer)]));
  let following = Promise.resolve(); // one change after the other: the last one read holds
  const follow = (): Promise<void> => {
    following = following.then(() => followBook(endpoint, store, known, report));
    return following;
  };
  store.watch(() => void follow(), stop);
  report.listening(endpoint);
  await follow(); // what was changed between reading the book and watching it
  const timer = setInterval(() => report.drops(endpoint), DROP_REPORT_MS);
  await new Promise<void>((done) => {
    if (stop.aborted) done();
    stop.addEventListener('abort', () => done(), { once: true });
  });
  clearInterval(timer);
  report.drops(endpoint);
  report.line('Stopped.');
}

/** Brings a running endpoint to what the peer book says now; a book that cannot be read changes nothing. */
async function followBook(
  endpoint: UdpEndpoint,
  store: KeyStore,
  known: Map<string, string>,
  report: Reporter,
): Promise<void> {
  try {
    const peers = await store.loadPeers();
    const changes: string[] = [];
    const kept = new Set(
      peers.filter((peer) => known.get(peer.name) === fingerprint(peer)).map(({ name }) => name),
    );
    for (const name of known.keys()) {
      if (kept.has(name)) continue;
      endpoint.peer(name).remove();
      known.delete(name);
      changes.push(`-${name}`);
    }
    for (const peer of peers) {
      if (kept.has(peer.name)) continue;
      endpoint.addPeer(peer);
      known.set(peer.name, fingerprint(peer));
      changes.push(`+${peer.name}`);
    }
    if (changes.length > 0) report.peers(changes, endpoint.peers.length);
  } catch (error) {
    report.line(
      `The peer book was changed and is not followed, so the peers before it still hold: ${messageOf(error)}`,
    );
  }
}

/** Changes when anything about the peer does. */
function fingerprint({ publicKey, at, psk }: PeerOptions): string {
  const pskBytes = psk === undefined ? '' : Buffer.from(psk.expose()).toString('hex');
  return `${publicKey} ${at ?? ''} ${pskBytes}`;
}

/** What commonly lies behind a drop, for the person who looks for the reason of silence. */
const EXPLAINED: Partial<Record<DropReason, string>> = {
  'too-short': 'No datagram of ours: a port scan, or the look of udp-tool itself whether a port is open.',
  'unknown-tag':
    'Somebody says hello whom no trusted key fits: compare "peer list" here with "peer show" there, and the reverse.',
  'unknown-session': 'For a session of before a restart; a client finds out by itself.',
  'bad-box': 'Tampered on the way, or a pre-shared key that differs.',
  'bad-cookie': 'The answer to a challenge came after two minutes, or from before a restart.',
  replayed: 'A copy of a datagram that was here before.',
};

/** The addresses of this machine where a socket on all addresses is reached; link-local ones are left out. */
function reachableAt(endpoint: UdpEndpoint): string[] {
  const listening = endpoint.addresses.find(({ ip }) => ip === '0.0.0.0');
  if (listening === undefined) return [];
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => formatAddress({ ip: address, port: listening.port }));
}

type Reporter = ReturnType<typeof reporter>;

function reporter({ verbose = false, json: asJson = false }: ServeOptions) {
  const reported = new Map<string, number>();
  const line = (text: string): void => note(text);
  return {
    line,
    listening(endpoint: UdpEndpoint): void {
      const listening = endpoint.addresses.map(formatAddress);
      const count = endpoint.peers.length;
      if (asJson)
        json({ event: 'listening', addresses: listening, publicKey: endpoint.publicKey, peers: count });
      line(
        `Listening on ${listening.join(' and ')}, as ${endpoint.publicKey}, for ${counted(count, 'peer')}.`,
      );
      const reachable = reachableAt(endpoint);
      if (reachable.length > 0) line(`Others reach it at ${reachable.join(' or ')}.`);
      if (count === 0)
        line('Trusts nobody yet: add a peer with "udp-tool peer add NAME KEY"; no restart is needed.');
    },
    request({ peer, command, error }: RequestLog): void {
      if (asJson) json({ event: 'request', peer, command, ...(error && { error: error.code }) });
      if (verbose) line(`${peer}: ${printable(command)}: ${error === undefined ? 'answered' : error.code}`);
    },
    peers(changes: readonly string[], count: number): void {
      if (asJson) json({ event: 'peers', changes, count });
      line(`The peer book changed: ${changes.join(' ')}; ${counted(count, 'peer')} now.`);
    },
    drops(endpoint: UdpEndpoint): void {
      const { drops } = endpoint.stats;
      for (const [reason, count] of Object.entries(drops) as [DropReason, number][]) {
        if (count === (reported.get(reason) ?? 0)) continue;
        reported.set(reason, count);
        if (asJson) json({ event: 'dropped', reason, count });
        if (verbose) line(`dropped, ${reason}: ${count} in all. ${EXPLAINED[reason] ?? ''}`.trimEnd());
      }
    },
  };
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function messageOf(error: unknown): string {
  return error instanceof UdpToolError ? error.message : String(error);
}
