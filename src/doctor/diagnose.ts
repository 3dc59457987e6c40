/** From what was found to the causes that it leaves, the likeliest first. No input, no output. */
import type { ErrorCode } from '../errors.ts';
import type { RequestProgress } from '../rpc/outcome.ts';
import type { Address } from '../session/address.ts';
import type { ProbeResult } from '../transport/probe.ts';
import { fullPacketBytes, type Route, type Signs } from './evidence.ts';
import {
  firewallDrops,
  firewallRejects,
  keysDoNotFit,
  largeDatagramsLost,
  losses,
  nobodyThere,
  noRoute,
  notServing,
  otherNetwork,
  otherProgram,
  ownAddress,
  ownFirewall,
  presharedKeyDiffers,
  type Subject,
  type Suggestion,
  twoInterfaces,
} from './suggestions.ts';

/** One address of the peer, and what is known of the way there. */
export interface Path {
  readonly route: Route;
  readonly signs: Signs;
}

export interface Evidence {
  readonly progress: RequestProgress;
  /** Whether datagrams came back that are not the peer's. */
  readonly strays: boolean;
  /** One for each address; none where nobody looked. */
  readonly paths: readonly Path[];
}

/** Why there was no answer: what it can be, the likeliest first. */
export function diagnose(subject: Subject, { progress, strays, paths }: Evidence): Suggestion[] {
  if (progress !== 'no-handshake') return [losses(subject.name)];
  const path = nearest(paths);
  const found = path === undefined ? whereNobodyLooked(subject) : causesOn(path, subject);
  return strays ? [otherProgram(subject.name, subject.at), ...found] : found;
}

/** What a probe says for certain; nothing where it heard nothing. */
export function saidByProbe(name: string, address: Address, result: ProbeResult): Suggestion[] {
  switch (result) {
    case 'closed':
      return [notServing(name, address, true), firewallRejects(name, address, result)];
    case 'unreachable':
      return [firewallRejects(name, address, result), nobodyThere(name, address.ip, false)];
    case 'blocked':
      return [ownFirewall(address)];
    case 'no-route':
      return [noRoute(address)];
    case 'silent':
      return [];
  }
}

/** What asking an address ends with, of which a probe said that. */
export const ERROR_OF_PROBE: Record<Exclude<ProbeResult, 'silent'>, ErrorCode> = {
  closed: 'port-closed',
  unreachable: 'no-route',
  blocked: 'no-permission',
  'no-route': 'no-route',
};

/** Of several addresses, the one where most is to be seen of the peer. */
export function nearest(paths: readonly Path[]): Path | undefined {
  return [...paths].sort((a, b) => distance(a) - distance(b))[0];
}

function distance({ signs }: Path): number {
  switch (signs.port) {
    case 'silent':
      return isAlive(signs) ? 0 : 2;
    case 'closed':
      return 1;
    case 'unreachable':
      return 3;
    default:
      return 4;
  }
}

/** Whether there is a machine. */
function isAlive({ port, otherPort, neighbour, echo }: Signs): boolean {
  return port === 'closed' || otherPort === 'closed' || neighbour === 'present' || echo === 'answered';
}

function causesOn(path: Path, subject: Subject): Suggestion[] {
  const { route, signs } = path;
  const { name } = subject;
  const itself = route.isOwn ? [ownAddress(name, route)] : [];
  const torn = route.claimedBy.length > 1 ? [twoInterfaces(route)] : [];
  const said = saidByProbe(name, route.address, signs.port);
  // A neighbour that is missing is what its own system, not a firewall, calls unreachable.
  const found = said.length > 0 && signs.neighbour !== 'missing' ? said : whereSilent(path, subject);
  return isAlive(signs) ? [...itself, ...found, ...torn] : [...itself, ...torn, ...found];
}

function whereSilent({ route, signs }: Path, subject: Subject): Suggestion[] {
  const { name, at, hasPsk } = subject;
  const { address } = route;
  if (signs.neighbour === 'missing') return [nobodyThere(name, address.ip, true)];
  const foreign = route.isForeign ? [otherNetwork(route)] : [];
  // Whether a machine is there is not known where there is no `ping` to ask.
  if (!isAlive(signs) && signs.echo === 'unknown') return [...foreign, ...whereNobodyLooked(subject)];

  const psk = presharedKeyDiffers(subject);
  const keys = [keysDoNotFit(subject, signs.otherPort === 'closed'), ...(hasPsk ? [psk] : [])];
  const drops = firewallDrops(name, address.port);
  const serve = notServing(name, address, false);
  const nobody = nobodyThere(name, at.host, false);
  const last = hasPsk ? [] : [psk];
  if (!isAlive(signs)) return [nobody, ...foreign, drops, ...keys, serve, ...last];
  const likely =
    signs.otherPort === 'closed' ? [...keys, drops, ...last] : [drops, ...keys, serve, nobody, ...last];
  if (signs.echo === 'answered' && signs.fullSizeEcho === 'silent') {
    // Over a small MTU of this machine's own, datagrams go in fragments, which mostly arrive.
    likely.splice(hasSmallMtu(route) ? 1 : 0, 0, largeDatagramsLost(route));
  }
  return likely;
}

function hasSmallMtu({ address, mtu }: Route): boolean {
  return mtu !== null && mtu < fullPacketBytes(address.ip);
}

function whereNobodyLooked(subject: Subject): Suggestion[] {
  const { name, at, hasPsk } = subject;
  const psk = presharedKeyDiffers(subject);
  return [
    keysDoNotFit(subject, false),
    ...(hasPsk ? [psk] : []),
    notServing(name, { ip: at.host, port: at.port }, false),
    firewallDrops(name, at.port),
    nobodyThere(name, at.host, false),
    ...(hasPsk ? [] : [psk]),
  ];
}
