/** The causes of silence in words, each with the commands that find out whether it is the one. */
import type { PublicKey } from '../crypto/keys.ts';
import type { ErrorCode, UdpToolError } from '../errors.ts';
import { type Address, formatAddress } from '../session/address.ts';
import type { ProbeResult } from '../transport/probe.ts';
import type { HostPort } from '../transport/resolve.ts';
import { MAX_DATAGRAM_BYTES } from '../wire/header.ts';
import { fullPacketBytes, type Route } from './evidence.ts';
import {
  fullSizeEcho,
  SHOW_ADDRESSES,
  SHOW_FIREWALL,
  SHOW_FIREWALL_THERE,
  SHOW_ROUTES,
  showRouteTo,
  takeDown,
} from './hints.ts';

/** Stable, as error codes are; what an error tells has the error's code. */
export type Cause =
  | ErrorCode
  | 'peer-paused' // here
  | 'keys' // it does not trust this machine, or has paused it, or its key here is another: the same silence
  | 'psk'
  | 'not-serving' // no program on that port; also where it serves on another one
  | 'firewall-drops'
  | 'firewall-rejects'
  | 'own-firewall'
  | 'nobody-there' // the machine is off, or has another address
  | 'two-interfaces' // of this machine, in one network
  | 'other-network' // this machine is not in the network that the address looks like one of
  | 'own-address'
  | 'large-datagrams-lost'
  | 'other-program' // something answers that is not the peer
  | 'losses'; // the peer is there, but not all gets through

export interface Suggestion {
  readonly cause: Cause;
  readonly text: string;
  /** What to do to find out or to mend it, the first first. */
  readonly checks: readonly string[];
}

/** Who does not answer whom. */
export interface Subject {
  readonly name: string;
  readonly publicKey: PublicKey;
  readonly at: HostPort;
  readonly hasPsk: boolean;
  readonly ownKey: PublicKey;
}

export function fromError({ code, message, hint }: UdpToolError): Suggestion {
  return { cause: code, text: message, checks: hint === undefined ? [] : [hint] };
}

export function peerPaused(name: string): Suggestion {
  return {
    cause: 'peer-paused',
    text: `"${name}" is paused on this machine.`,
    checks: [`Here: udp-tool peer resume ${name}`],
  };
}

export function keysDoNotFit({ name, publicKey, ownKey }: Subject, listens: boolean): Suggestion {
  return {
    cause: 'keys',
    text: `${listens ? 'Something takes what goes there. If it is udp-tool, the keys do not fit' : 'The keys do not fit'}: "${name}" does not trust this machine, or has paused it; or its key here is not its own.`,
    checks: [
      `On "${name}": udp-tool peer list   must show, and not as paused, ${ownKey}`,
      `On "${name}": udp-tool peer show   must print ${publicKey}`,
    ],
  };
}

export function presharedKeyDiffers({ name, hasPsk }: Subject): Suggestion {
  return {
    cause: 'psk',
    text: hasPsk
      ? 'The pre-shared key (psk) is set here alone, or is another one there.'
      : 'A pre-shared key (psk) is set there alone.',
    checks: [`On both: udp-tool peer show NAME   names its file, as here: udp-tool peer show ${name}`],
  };
}

/** @param saysSo whether ICMP came */
export function notServing(name: string, { ip, port }: Address, saysSo: boolean): Suggestion {
  return {
    cause: 'not-serving',
    text: saysSo
      ? `Nothing listens on ${formatAddress({ ip, port })}: the machine is there and says so.`
      : `"serve" is not running there, or on another port than ${port}.`,
    checks: [`On "${name}": udp-tool serve --port ${port}   (the first line of one that runs says its port)`],
  };
}

export function firewallDrops(name: string, port: number): Suggestion {
  return {
    cause: 'firewall-drops',
    text: `A firewall there, on the way or here drops what goes to UDP port ${port}, or what comes back.`,
    checks: [
      `On "${name}": ${SHOW_FIREWALL_THERE}`,
      `On "${name}": udp-tool serve -v   shows whether anything of this machine arrives at all`,
    ],
  };
}

export function firewallRejects(name: string, { ip, port }: Address, result: ProbeResult): Suggestion {
  return {
    cause: 'firewall-rejects',
    text:
      result === 'unreachable'
        ? `${ip} is unreachable: its firewall, or a machine on the way, says so.`
        : `A firewall there, or on the way, rejects what goes to UDP port ${port}.`,
    checks: [`On "${name}": ${SHOW_FIREWALL_THERE}`, `Here: ${SHOW_ROUTES}`],
  };
}

export function ownFirewall(address: Address): Suggestion {
  return {
    cause: 'own-firewall',
    text: `This machine does not let datagrams out to ${formatAddress(address)}.`,
    checks: [`Its own firewall, most likely. Here: ${SHOW_FIREWALL}`],
  };
}

export function noRoute(address: Address): Suggestion {
  return {
    cause: 'no-route',
    text: `This machine has no route to ${formatAddress(address)}.`,
    checks: [
      `Is the interface up, with an address in the same network? See "${SHOW_ADDRESSES}" and "${SHOW_ROUTES}".`,
    ],
  };
}

export function nobodyThere(name: string, host: string, isCertain: boolean): Suggestion {
  return {
    cause: 'nobody-there',
    text: isCertain
      ? `Nobody has the address ${host} in this network: "${name}" is off, not connected to it, or has another address.`
      : `${host} is another machine, off, or nobody's address.`,
    checks: [
      `Here: ping ${host}`,
      `On "${name}": ip address   must show it; if not, here: udp-tool peer add … --at HOST:PORT`,
    ],
  };
}

export function twoInterfaces({ address, claimedBy, leavesBy }: Route): Suggestion {
  const taken = leavesBy ?? claimedBy.join(' or ');
  return {
    cause: 'two-interfaces',
    text: `${claimedBy.join(' and ')} of this machine are in one network, that of ${address.ip}; what goes there leaves by ${taken}.`,
    checks: [
      `Here: ${showRouteTo(address.ip)}   must name the one that leads to it`,
      `To try without ${taken}, unless you are logged in over it: ${takeDown(taken)}`,
      'For good: give the cable a network of its own, other than that of the Wi-Fi.',
    ],
  };
}

export function otherNetwork({ address, leavesBy }: Route): Suggestion {
  return {
    cause: 'other-network',
    text: `No interface of this machine is in the network of ${address.ip}: what goes there leaves by ${leavesBy}, to a router.`,
    checks: [
      `Here: ${SHOW_ADDRESSES}   must show an address like that one, if a cable or a Wi-Fi joins the two`,
    ],
  };
}

export function ownAddress(name: string, { address }: Route): Suggestion {
  return {
    cause: 'own-address',
    text: `${address.ip} is this machine itself.`,
    checks: [
      `On "${name}": udp-tool serve   prints its addresses; then here: udp-tool peer add … --at HOST:PORT`,
    ],
  };
}

export function largeDatagramsLost({ address, leavesBy }: Route): Suggestion {
  const here = leavesBy === null ? '' : `, here: ip link show ${leavesBy}`;
  return {
    cause: 'large-datagrams-lost',
    text: `The way to ${address.ip} loses datagrams of ${MAX_DATAGRAM_BYTES} bytes; small ones get through.`,
    checks: [
      `Here: ${fullSizeEcho(address.ip, MAX_DATAGRAM_BYTES)}   must be answered`,
      `On both, and on what is between: the MTU must be ${fullPacketBytes(address.ip)} or more, and the same at both ends of a cable${here}`,
    ],
  };
}

export function otherProgram(name: string, { port }: HostPort): Suggestion {
  return {
    cause: 'other-program',
    text: `Something answers that is not "${name}": another program has UDP port ${port} there.`,
    checks: [`On "${name}": sudo ss -ulpn sport = :${port}`],
  };
}

export function losses(name: string): Suggestion {
  return {
    cause: 'losses',
    text: `"${name}" is there and the keys fit, but its answer did not come in time: the network loses much, or it is busy.`,
    checks: [`Here: udp-tool ping ${name}`, 'Or give it more time with --timeout SECONDS.'],
  };
}
