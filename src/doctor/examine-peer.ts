/** What stands between this machine and one peer's answer. */
import { setTimeout as delay } from 'node:timers/promises';
import { readHelp } from '../commands/index.ts';
import type { KeyPair } from '../crypto/keys.ts';
import { UdpToolError } from '../errors.ts';
import { type PeerOptions, type RemotePeer, RequestError } from '../remote-peer.ts';
import { type Address, formatAddress } from '../session/address.ts';
import { type HostPort, parseHostPort, resolve } from '../transport/resolve.ts';
import { createEndpoint } from '../udp-endpoint.ts';
import { MAX_DATAGRAM_BYTES } from '../wire/header.ts';
import { diagnose, ERROR_OF_PROBE, nearest, type Path } from './diagnose.ts';
import { type Route, routeTo, signsFrom } from './evidence.ts';
import type { Diagnosis } from './examine.ts';
import { type Check, type Finding, ok, routeFindings, signFindings, trouble } from './finding.ts';
import { fromError } from './suggestions.ts';

interface Asking {
  readonly keyPair: KeyPair;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** How asking the peer ended: with what it alone can have sent, or with an error. */
type Reply =
  | { readonly answered: true; readonly roundTripMs: number; readonly commands: readonly string[] | null }
  | { readonly answered: false; readonly error: UdpToolError };

/** Answered so soon, the network need not be looked at. */
const PROMPT_MS = 400;
const MAX_WAIT_FOR_SIGNS_MS = 1_000;
const ICMP_PAUSE_MS = 1_200;

/** @throws UdpToolError `aborted` */
export async function* examinePeer(
  peer: PeerOptions,
  at: string,
  asking: Asking,
): AsyncGenerator<Finding | Diagnosis, void> {
  for await (const item of look(peer, at, asking)) yield { ...item, peer: peer.name };
}

async function* look(
  peer: PeerOptions,
  at: string,
  { keyPair, timeoutMs, signal }: Asking,
): AsyncGenerator<Finding | Diagnosis, void> {
  const { name, publicKey, psk } = peer;
  const hostPort = parseHostPort(at);
  const opened = yield* attempt('peer', () => createEndpoint({ keyPair, peers: [peer], commands: [] }));
  if (opened === null) return;
  await using endpoint = opened;
  yield ok('peer', `"${name}" is ${publicKey}, at ${at}.`);
  const addresses = yield* attempt('name', () => resolve(hostPort, timeoutMs));
  if (addresses === null) return;
  if (addresses.some(({ ip }) => ip !== hostPort.host)) yield ok('name', tellAddresses(hostPort, addresses));

  const giveUp = new AbortController();
  const stop = signal === undefined ? giveUp.signal : AbortSignal.any([signal, giveUp.signal]);
  const asked = askHelp(endpoint.peer(name), timeoutMs, stop);
  const routes = await Promise.all(addresses.map(routeTo));
  for (const route of routes) yield* ofAddress(route, routeFindings(name, route));
  const prompt = await Promise.race([asked, delay(PROMPT_MS, null, { ref: false })]);
  const waitMs = Math.min(MAX_WAIT_FOR_SIGNS_MS, timeoutMs / 2);
  let paths = prompt?.answered ? [] : await pathsOn(routes, waitMs);
  for (const { route, signs } of paths) yield* ofAddress(route, signFindings(name, route, signs));
  if (paths.length > 0 && paths.every(({ signs }) => signs.port !== 'silent')) giveUp.abort();

  const reply = await asked;
  if (reply.answered) {
    yield* answeredFindings(reply);
    yield { diagnosis: [] };
    return;
  }
  if (signal?.aborted) throw reply.error;
  if (paths.some(isOddlySilent)) {
    await delay(ICMP_PAUSE_MS);
    const again = await pathsOn(routes, waitMs);
    if (again.some(({ signs }) => signs.port !== 'silent')) {
      for (const { route, signs } of again) yield* ofAddress(route, signFindings(name, route, signs));
      paths = again;
    }
  }
  const progress = reply.error instanceof RequestError ? reply.error.progress : 'no-handshake';
  const strays = Object.values(endpoint.stats.drops).some((count) => count > 0);
  const subject = { name, publicKey, at: hostPort, hasPsk: psk !== undefined, ownKey: keyPair.publicKey };
  const diagnosis = diagnose(subject, { progress, strays, paths });
  yield trouble('answer', 'failed', {
    text: progress === 'no-handshake' ? 'No authenticated answer came.' : reply.error.message,
    checks: [], // the diagnosis has them
  });
  const said = nearest(paths)?.signs.port ?? 'silent';
  yield { error: said === 'silent' ? reply.error.code : ERROR_OF_PROBE[said], diagnosis };
}

/**
 * A machine that answers an echo and says of no port that nothing listens: a firewall, or one that has said so too often
 * lately. Linux says it once a second to each address, after the first few (icmp_ratelimit).
 */
function isOddlySilent({ signs }: Path): boolean {
  return signs.echo === 'answered' && signs.port === 'silent' && signs.otherPort === 'silent';
}

/** Null where it failed, which is all that is to be said then. */
async function* attempt<T>(
  check: Check,
  action: () => Promise<T>,
): AsyncGenerator<Finding | Diagnosis, T | null> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof UdpToolError)) throw error;
    const suggestion = fromError(error);
    yield trouble(check, 'failed', suggestion);
    yield { error: error.code, diagnosis: [suggestion] };
    return null;
  }
}

function tellAddresses({ host }: HostPort, addresses: readonly Address[]): string {
  const ips = addresses.map(({ ip }) => ip);
  return ips.length === 1
    ? `The name ${host} is ${ips}.`
    : `The name ${host} is ${ips.length} addresses, of which each is tried: ${ips.join(', ')}.`;
}

/** An error that the peer itself answered with is an answer. */
async function askHelp(peer: RemotePeer, timeoutMs: number, signal: AbortSignal): Promise<Reply> {
  try {
    const { value, roundTripMs } = await peer.request('help', [], { timeoutMs, signal });
    return { answered: true, roundTripMs, commands: readHelp(value)?.map(({ name }) => name) ?? null };
  } catch (error) {
    if (!(error instanceof UdpToolError)) throw error;
    return error instanceof RequestError && error.roundTripMs !== null
      ? { answered: true, roundTripMs: error.roundTripMs, commands: null }
      : { answered: false, error };
  }
}

function pathsOn(routes: readonly Route[], waitMs: number): Promise<Path[]> {
  return Promise.all(routes.map(async (route) => ({ route, signs: await signsFrom(route.address, waitMs) })));
}

function* ofAddress({ address }: Route, findings: readonly Finding[]): Generator<Finding, void> {
  for (const finding of findings) yield { ...finding, address: formatAddress(address) };
}

function answeredFindings({ roundTripMs, commands }: Reply & { answered: true }): Finding[] {
  return [
    ok('answer', `It answered, in ${roundTripMs.toFixed(1)} ms: the keys fit.`),
    ...(commands === null ? [] : [ok('commands', `This machine may call there: ${commands.join(', ')}.`)]),
    // The handshake has one such datagram each way.
    ok('full-size', `Datagrams of ${MAX_DATAGRAM_BYTES} bytes, the largest there are, pass both ways.`),
  ];
}
