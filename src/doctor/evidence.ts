/** What can be found out of the way to an address, without the peer's help. */
import { type Address, isIPv6Address } from '../session/address.ts';
import { type EchoResult, echo } from '../transport/echo.ts';
import {
  interfaceAddresses,
  isOwnAddress,
  isPrivateAddress,
  mtuOf,
  sharingNetworkWith,
  sourceOf,
} from '../transport/interfaces.ts';
import { type Neighbour, neighbourAt } from '../transport/neighbours.ts';
import { type ProbeResult, probePort } from '../transport/probe.ts';
import { MAX_DATAGRAM_BYTES } from '../wire/header.ts';

/** How this machine would send there; found out without sending. */
export interface Route {
  readonly address: Address;
  /** The address that datagrams leave from; null where there is no route. */
  readonly source: string | null;
  /** The interface that has it. */
  readonly leavesBy: string | null;
  /** Bytes of the largest packet there; null where the system does not say. */
  readonly mtu: number | null;
  /** The interfaces that are in the network of the address. */
  readonly claimedBy: readonly string[];
  /** A router leads there, though the address looks like one of a network that this machine would be in. */
  readonly isForeign: boolean;
  /** It is this machine itself. */
  readonly isOwn: boolean;
}

/** What came back, or did not. */
export interface Signs {
  readonly port: ProbeResult;
  /** Of {@link otherPort}, on which nothing listens. */
  readonly otherPort: ProbeResult;
  readonly neighbour: Neighbour;
  readonly echo: EchoResult;
  /** As large as the largest datagram, and not to be fragmented. */
  readonly fullSizeEcho: EchoResult;
}

const IPV4_AND_UDP_BYTES = 20 + 8;
const IPV6_AND_UDP_BYTES = 40 + 8;
/** Where traceroute begins, since nothing ever listens there. */
const TRACEROUTE_PORT = 33_434;

/** The packet that a full-size datagram is, in bytes. */
export function fullPacketBytes(ip: string): number {
  return MAX_DATAGRAM_BYTES + (isIPv6Address(ip) ? IPV6_AND_UDP_BYTES : IPV4_AND_UDP_BYTES);
}

export function otherPort(port: number): number {
  return port === TRACEROUTE_PORT ? port + 1 : TRACEROUTE_PORT;
}

export async function routeTo(address: Address): Promise<Route> {
  const own = interfaceAddresses();
  const source = await sourceOf(address);
  const leavesBy = own.find(({ ip }) => ip === source)?.interface ?? null;
  const claimedBy = [...new Set(sharingNetworkWith(address.ip, own).map((one) => one.interface))];
  const isOwn = isOwnAddress(address.ip, own);
  return {
    address,
    source,
    leavesBy,
    mtu: leavesBy === null ? null : await mtuOf(leavesBy),
    claimedBy,
    isForeign: source !== null && !isOwn && claimedBy.length === 0 && isPrivateAddress(address.ip),
    isOwn,
  };
}

/** @param waitMs how long to wait for each sign; they are awaited together */
export async function signsFrom(address: Address, waitMs: number): Promise<Signs> {
  const { ip, port } = address;
  const [atPort, atOther, small, full] = await Promise.all([
    probePort(address, waitMs),
    probePort({ ip, port: otherPort(port) }, waitMs),
    echo(ip, null, waitMs),
    echo(ip, MAX_DATAGRAM_BYTES, waitMs),
  ]);
  // By now something was sent there, for which the system had to find the neighbour.
  const neighbour = await neighbourAt(ip);
  return { port: atPort, otherPort: atOther, neighbour, echo: small, fullSizeEcho: full };
}
