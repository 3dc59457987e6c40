/** From what a person writes, `pi.local:9999`, to addresses that datagrams can be sent to. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { UdpToolError } from '../errors.ts';
import type { Address } from '../session/address.ts';

export const DEFAULT_PORT = 9999;

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `HOST`, `HOST:PORT`, `IPV6` or `[IPV6]:PORT`; the port is 9999 unless given.
 * @throws UdpToolError `bad-usage`
 */
export function parseHostPort(text: string): HostPort {
  if (isIP(text) !== 0) return usable({ host: text, port: DEFAULT_PORT });
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  const isHost =
    host !== undefined &&
    (match?.[1] === undefined ? isIP(host) !== 0 || !DIGITS_AND_DOTS.test(host) : isIP(host) === 6);
  if (!isHost || port < 1 || port > 65_535) {
    throw new UdpToolError('bad-usage', `"${text}" is not an address.`, {
      hint: 'Write HOST:PORT, for example 192.168.2.3:9999, pi.local:9999 or [fe80::1%eth0]:9999.',
    });
  }
  return usable({ host, port });
}

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
  if (isIP(host) !== 0) return [{ ip: host, port }];
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
