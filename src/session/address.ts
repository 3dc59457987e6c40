/** Where a datagram comes from or goes to. `ip` is a literal address, never a name; IPv6 without brackets. */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

export function sameAddress(a: Address, b: Address): boolean {
  return a.port === b.port && a.ip === b.ip;
}

export function formatAddress(address: Address): string {
  return address.ip.includes(':') ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}

/** A datagram to send. */
export interface Transmit {
  readonly datagram: Uint8Array;
  readonly to: Address;
}
