/** The network interfaces of this machine, and which of them leads to an address. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type Address, isIPv6Address } from '../session/address.ts';

/** An address of an interface that is up. */
export interface InterfaceAddress {
  readonly interface: string;
  readonly ip: string;
  /** `192.168.2.1/24`. */
  readonly cidr: string;
  /** Loopback. */
  readonly internal: boolean;
}

export function interfaceAddresses(): InterfaceAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([label, addresses]) =>
    (addresses ?? []).map(({ address, cidr, internal }) => ({
      // Linux may name a second address of eth0 eth0:1.
      interface: label.replace(/:.*$/, ''),
      ip: address,
      cidr: cidr ?? `${address}/${isIPv6Address(address) ? 128 : 32}`,
      internal,
    })),
  );
}

/** Whether it is an address in a network that this machine is in. */
export function isInOwnNetwork(ip: string): boolean {
  return interfaceAddresses().some(({ cidr }) => contains(cidr, ip));
}

/** Where others in the networks of this machine may find who listens there. */
export function reachableAddresses(listening: readonly Address[]): Address[] {
  const own = interfaceAddresses().filter(({ internal }) => !internal);
  return listening.flatMap(({ ip: bound, port }) => {
    const isAny = bound === '0.0.0.0' || bound === '::';
    return own
      .filter(({ ip }) => (isAny ? isIPv6Address(ip) === isIPv6Address(bound) : ip === bound))
      .map(({ ip }) => ({ ip, port }));
  });
}

/**
 * Which address of this machine datagrams to another one leave from, as the system's routes have it; null when there
 * is no route. Nothing is sent.
 */
export async function sourceOf(to: Address): Promise<string | null> {
  const socket = createSocket(isIPv6Address(to.ip) ? 'udp6' : 'udp4');
  try {
    socket.connect(to.port, to.ip);
    await once(socket, 'connect'); // or throws the error
    return withoutZone(socket.address().address);
  } catch {
    return null;
  } finally {
    socket.close();
  }
}

/** The addresses of this machine in whose network that one is; of a link-local one, its zone says which they are. */
export function sharingNetworkWith(ip: string, own: readonly InterfaceAddress[]): InterfaceAddress[] {
  const [, zone] = ip.split('%');
  return own.filter(
    ({ cidr, interface: name, internal }) =>
      !internal && (zone === undefined || zone === name) && contains(cidr, withoutZone(ip)),
  );
}

/** Whether that is an address of this machine itself. */
export function isOwnAddress(ip: string, own: readonly InterfaceAddress[]): boolean {
  const bare = withoutZone(ip);
  return own.some((address) => address.ip === bare || (address.internal && contains(address.cidr, bare)));
}

/** Whether that is an address of a home or company network (RFC 1918, RFC 4193), or link-local. */
export function isPrivateAddress(ip: string): boolean {
  return PRIVATE_NETWORKS.some((cidr) => contains(cidr, withoutZone(ip)));
}

const PRIVATE_NETWORKS: readonly string[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
];

/** Of an interface, in bytes; null where the system does not say. */
export async function mtuOf(name: string): Promise<number | null> {
  const text = await readFile(`/sys/class/net/${name}/mtu`, 'utf8').catch(() => '');
  const mtu = Number.parseInt(text, 10);
  return Number.isNaN(mtu) ? null : mtu;
}

function contains(cidr: string, ip: string): boolean {
  const [network = '', prefix] = cidr.split('/');
  if (isIPv6Address(network) !== isIPv6Address(ip)) return false;
  const family = isIPv6Address(ip) ? 'ipv6' : 'ipv4';
  const subnet = new BlockList();
  subnet.addSubnet(network, Number(prefix), family);
  return subnet.check(ip, family);
}

function withoutZone(ip: string): string {
  return ip.replace(/%.*$/, '');
}
