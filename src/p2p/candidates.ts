/** Addresses as peers tell them to each other: `[ip, port]`, the IP as its 4 or 16 bytes (PROTOCOL §10.4). */
import { type Address, isIPv6Address, isRelayAddress, sameAddress } from '../session/address.ts';
import type { CborValue } from '../wire/cbor.ts';
import { MAX_CANDIDATES, MAX_CANDIDATES_PER_IP } from './constants.ts';

/** Those that mean something elsewhere: not one with a zone, or of a relay. */
export function encodeAddresses(addresses: readonly Address[]): CborValue {
  return addresses
    .filter(({ ip }) => scopeOf(ip) !== 'none')
    .slice(0, MAX_CANDIDATES)
    .map(({ ip, port }) => [ipBytes(ip) as Uint8Array, port]);
}

/** Null for what is no list of addresses. */
export function parseAddresses(value: CborValue): Address[] | null {
  if (!Array.isArray(value) || value.length > MAX_CANDIDATES) return null;
  const addresses: Address[] = [];
  for (const item of value as readonly CborValue[]) {
    if (!Array.isArray(item) || item.length !== 2) return null;
    const [ip, port] = item as readonly CborValue[];
    if (!(ip instanceof Uint8Array) || (ip.length !== 4 && ip.length !== 16)) return null;
    if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65_535) return null;
    addresses.push({ ip: ipText(ip), port });
  }
  return addresses;
}

/**
 * Of what others say about where somebody is, what may be tried.
 * @param introducer where it was heard: on one machine, loopback leads somewhere
 */
export function usableCandidates(told: readonly Address[], introducer: Address): Address[] {
  const usable: Address[] = [];
  for (const address of told) {
    if (address.port === 0 || usable.length === MAX_CANDIDATES) continue;
    if (usable.some((other) => sameAddress(other, address))) continue;
    if (usable.filter(({ ip }) => ip === address.ip).length >= MAX_CANDIDATES_PER_IP) continue;
    const scope = scopeOf(address.ip);
    if (scope === 'none' || (scope === 'loopback' && scopeOf(introducer.ip) !== 'loopback')) continue;
    usable.push(address);
  }
  return usable;
}

export type Scope = 'loopback' | 'private' | 'global' | 'none';

/** How far an address is good for; `none` where nobody in particular is there, or only a zone tells where. */
export function scopeOf(ip: string): Scope {
  const bytes = ipBytes(ip);
  if (bytes === null) return 'none';
  const [a = 0, b = 0] = bytes;
  if (bytes.length === 4) {
    if (a === 127) return 'loopback';
    if (a === 0 || a >= 224 || (a === 169 && b === 254)) return 'none';
    return a === 10 || (a === 172 && b >> 4 === 1) || (a === 192 && b === 168) ? 'private' : 'global';
  }
  if (bytes.subarray(0, 15).every((byte) => byte === 0)) return bytes[15] === 1 ? 'loopback' : 'none';
  // Multicast, link-local, and IPv4 in IPv6's clothes.
  if (a === 0xff || (a === 0xfe && b >> 6 === 2) || bytes.subarray(0, 8).every((byte) => byte === 0)) {
    return 'none';
  }
  return a >> 1 === 0x7e ? 'private' : 'global'; // fc00::/7
}

/** Null for what is no literal address, or has a zone. */
function ipBytes(ip: string): Uint8Array | null {
  if (isRelayAddress({ ip, port: 1 })) return null;
  return isIPv6Address(ip) ? ipv6Bytes(ip) : ipv4Bytes(ip);
}

function ipv4Bytes(ip: string): Uint8Array | null {
  const parts = ip.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) return null;
  return Uint8Array.from(parts, Number);
}

function ipv6Bytes(ip: string): Uint8Array | null {
  const halves = ip.split('::').map((half) => (half === '' ? [] : half.split(':')));
  const [front = [], back] = halves;
  const missing = 8 - front.length - (back?.length ?? 0);
  if (halves.length > 2 || (back === undefined ? missing !== 0 : missing < 1)) return null;
  const groups = [...front, ...Array<string>(back === undefined ? 0 : missing).fill('0'), ...(back ?? [])];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  return Uint8Array.from(
    groups.flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    }),
  );
}

/** As the system writes it (RFC 5952), so that it compares with where a datagram came from. */
function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(2 * i).toString(16));
  let start = 0;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (groups[end] === '0') end++;
    if (end - i > length) [start, length] = [i, end - i];
  }
  if (length < 2) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}
