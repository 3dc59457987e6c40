/** From what a person writes, `pi.local:9999`, to addresses that datagrams can be sent to. */
import { lookup } from 'node:dns/promises';
import { isIPv4, isIPv6 } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { UdpToolError } from '../errors.ts';
import { type Address, formatAddress } from '../session/address.ts';

export const DEFAULT_PORT = 9999;

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `HOST`, `HOST:PORT`, `IPV6` or `[IPV6]:PORT`.
 * @throws UdpToolError `bad-usage`
 */
export function parseHostPort(text: string, defaultPort: number = DEFAULT_PORT): HostPort {
  if (ipVersion(text) !== null) return usable({ host: text, port: defaultPort });
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  const isHost =
    host !== undefined &&
    (match?.[1] === undefined
      ? ipVersion(host) !== null || !DIGITS_AND_DOTS.test(host)
      : ipVersion(host) === 6);
  if (!isHost || port < 1 || port > 65_535) {
    throw new UdpToolError('bad-usage', `"${text}" is not an address.`, {
      hint: 'Write HOST:PORT, for example 192.168.2.3:9999, pi.local:9999 or [fe80::1%eth0]:9999.',
    });
  }
  return usable({ host, port });
}

/** As {@link parseHostPort} reads it. */
export function formatHostPort({ host, port }: HostPort): string {
  return formatAddress({ ip: host, port });
}

/**
 * Of a literal address; null for what is none. Only what may be IPv6 is matched with Node's expression for it, which
 * takes 8 ms to compile: a part of every `udp-tool send` (docs/performance.md).
 */
function ipVersion(text: string): 4 | 6 | null {
  if (isIPv4(text)) return 4;
  return TWO_COLONS.test(text) && isIPv6(text) ? 6 : null;
}

const TWO_COLONS = /:.*:/;

/** What looks like an IPv4 address and is none is a mistake, not a name. */
const DIGITS_AND_DOTS = /^[\d.]+$/;

function usable(address: HostPort): HostPort {
  if (address.host !== '0.0.0.0' && address.host !== '::') return address;
  throw new UdpToolError(
    'bad-usage',
    `${address.host} means every address of a machine: it cannot be sent to.`,
    {
      hint: 'Give one of them: "udp-tool serve" prints them there.',
    },
  );
}

/**
 * Every address of a host, in the resolver's order.
 * @param timeoutMs a resolver that finds no server may take far longer than anybody waits
 * @throws UdpToolError `name-not-found`
 */
export async function resolve({ host, port }: HostPort, timeoutMs: number): Promise<Address[]> {
  if (ipVersion(host) !== null) return [{ ip: host, port }];
  const timer = new AbortController();
  try {
    const found = await Promise.race([
      lookup(host, { all: true, verbatim: true }),
      delay(timeoutMs, null, { signal: timer.signal }),
    ]);
    if (found === null) throw new Error('the resolver did not answer in time');
    return found.map(({ address }) => ({ ip: address, port }));
  } catch (cause) {
    throw new UdpToolError('name-not-found', `The name "${host}" does not resolve.`, {
      cause,
      hint: 'Check the spelling, or give the IP address: "udp-tool peer add NAME KEY --at 192.168.2.3:9999".',
    });
  } finally {
    timer.abort();
  }
}
