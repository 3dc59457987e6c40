/** Where a datagram comes from or goes to. `ip` is a literal address, never a name; IPv6 without brackets. */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

export function sameAddress(a: Address, b: Address): boolean {
  return a.port === b.port && a.ip === b.ip;
}

export function formatAddress(address: Address): string {
  return isIPv6Address(address.ip) ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}

/** Of a literal address; whether it is well-formed was checked before. */
export function isIPv6Address(ip: string): boolean {
  return ip.includes(':');
}

/** A datagram to send. */
export interface Transmit {
  readonly datagram: Uint8Array;
  readonly to: Address;
}
