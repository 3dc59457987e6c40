/** What `examine` looked at, in words: the evidence for people. */
import { type Address, formatAddress } from '../session/address.ts';
import { saidByProbe } from './diagnose.ts';
import { fullPacketBytes, otherPort, type Route, type Signs } from './evidence.ts';
import {
  largeDatagramsLost,
  nobodyThere,
  noRoute,
  otherNetwork,
  ownAddress,
  type Suggestion,
  twoInterfaces,
} from './suggestions.ts';

/** Stable. */
export type Check =
  | 'key-folder'
  | 'own-key'
  | 'peer-book'
  | 'pre-shared-keys'
  | 'clock'
  | 'addresses' // of this machine, where it asks nobody
  | 'serving' // likewise
  | 'peer'
  | 'name'
  | 'own-address'
  | 'route'
  | 'interfaces'
  | 'mtu'
  | 'port'
  | 'other-port'
  | 'neighbour'
  | 'echo'
  | 'full-size-echo'
  | 'answer'
  | 'commands'
  | 'full-size';

export interface Finding {
  readonly check: Check;
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly result: string;
  /** What to do, where it is not fine. */
  readonly fix?: string;
  /** Whom it concerns, and which of its addresses. */
  readonly peer?: string;
  readonly address?: string;
}

export function ok(check: Check, result: string): Finding {
  return { check, status: 'ok', result };
}

/** Not fine, as the suggestion has it. */
export function trouble(
  check: Check,
  status: 'warning' | 'failed',
  { text, checks }: Omit<Suggestion, 'cause'>,
): Finding {
  const [fix] = checks;
  return { check, status, result: text, ...(fix !== undefined && { fix }) };
}

function skipped(check: Check, result: string): Finding {
  return { check, status: 'skipped', result };
}

export function routeFindings(name: string, route: Route): Finding[] {
  const { address, source, leavesBy } = route;
  return [
    route.isOwn
      ? trouble('own-address', 'warning', ownAddress(name, route))
      : ok('own-address', `${address.ip} is no address of this machine.`),
    source === null
      ? trouble('route', 'failed', noRoute(address))
      : ok(
          'route',
          `What goes there leaves from ${source}, by ${leavesBy ?? 'no interface that has a name'}.`,
        ),
    interfacesFinding(route),
    mtuFinding(route),
  ];
}

function interfacesFinding(route: Route): Finding {
  const [only, ...others] = route.claimedBy;
  if (others.length > 0) return trouble('interfaces', 'warning', twoInterfaces(route));
  if (only !== undefined) return ok('interfaces', `${only} alone is in the network of ${route.address.ip}.`);
  if (route.isForeign) return trouble('interfaces', 'warning', otherNetwork(route));
  return ok('interfaces', `${route.address.ip} is in no network of this machine's interfaces.`);
}

function mtuFinding({ address, leavesBy, mtu }: Route): Finding {
  const needed = fullPacketBytes(address.ip);
  if (mtu === null) return skipped('mtu', 'The system does not tell the MTU.');
  if (mtu >= needed) return ok('mtu', `${leavesBy} takes packets of ${mtu} bytes; ${needed} are needed.`);
  return trouble('mtu', 'warning', {
    text: `${leavesBy} takes packets of ${mtu} bytes; ${needed} are needed: full-size datagrams go in fragments, which some networks lose.`,
    checks: [`At both ends of the cable or tunnel: sudo ip link set ${leavesBy} mtu ${needed}   (or more)`],
  });
}

export function signFindings(name: string, route: Route, signs: Signs): Finding[] {
  return [
    portFinding(name, route.address, signs),
    otherPortFinding(route.address, signs),
    neighbourFinding(name, route.address, signs),
    ...echoFindings(route, signs),
  ];
}

function portFinding(name: string, address: Address, { port }: Signs): Finding {
  const [said] = saidByProbe(name, address, port);
  if (said !== undefined) return trouble('port', 'failed', said);
  return ok('port', `${formatAddress(address)} is silent, as it is where udp-tool listens.`);
}

function otherPortFinding({ ip, port }: Address, signs: Signs): Finding {
  const other = formatAddress({ ip, port: otherPort(port) });
  switch (signs.otherPort) {
    case 'closed':
      return ok(
        'other-port',
        `${other} says that nothing listens there: the machine is there, and is heard.`,
      );
    case 'silent':
      return trouble('other-port', 'warning', {
        text: `${other} is silent too, where a machine without a firewall says that nothing listens.`,
        checks: [],
      });
    default:
      return skipped('other-port', `${other} cannot be asked either.`);
  }
}

function neighbourFinding(name: string, { ip }: Address, { neighbour }: Signs): Finding {
  switch (neighbour) {
    case 'present':
      return ok('neighbour', `A machine in this network has the address ${ip}.`);
    case 'missing':
      return trouble('neighbour', 'failed', nobodyThere(name, ip, true));
    case 'unknown':
      return skipped('neighbour', `The system does not tell whether anybody has the address ${ip}.`);
  }
}

function echoFindings(route: Route, { echo, fullSizeEcho }: Signs): Finding[] {
  const { ip } = route.address;
  switch (echo) {
    case 'unknown':
      return [skipped('echo', 'There is no usable program "ping".')];
    case 'silent':
      return [
        trouble('echo', 'warning', { text: `${ip} does not answer "ping".`, checks: [] }),
        skipped('full-size-echo', 'Only worth a look where small ones come back.'),
      ];
    case 'answered':
      return [ok('echo', `${ip} answers "ping".`), fullSizeEchoFinding(route, fullSizeEcho)];
  }
}

function fullSizeEchoFinding(route: Route, fullSizeEcho: Signs['fullSizeEcho']): Finding {
  switch (fullSizeEcho) {
    case 'answered':
      return ok(
        'full-size-echo',
        `Packets of ${fullPacketBytes(route.address.ip)} bytes come back too, in one piece.`,
      );
    case 'silent':
      return trouble('full-size-echo', 'failed', largeDatagramsLost(route));
    case 'unknown':
      return skipped('full-size-echo', 'The program "ping" cannot send large packets here.');
  }
}
