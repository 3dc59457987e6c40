/** What the system knows of the machines on its own networks, from asking for their hardware addresses (ARP). */
import { readFile } from 'node:fs/promises';

/** `missing`: it was asked for, and nobody said that he has it. `unknown`: never asked for, or not to be found out. */
export type Neighbour = 'present' | 'missing' | 'unknown';

/** ATF_COM of <net/if_arp.h>: the hardware address is known. */
const COMPLETE = 0x02;

/** Of an IPv4 address; worth a look after something was sent there. Linux alone tells. */
export async function neighbourAt(ip: string): Promise<Neighbour> {
  const table = await readFile('/proc/net/arp', 'utf8').catch(() => '');
  // IP address, HW type, Flags, HW address, Mask, Device
  const rows = table.split('\n').map((row) => row.split(/\s+/));
  const entries = rows.filter(([address]) => address === ip);
  if (entries.length === 0) return 'unknown';
  return entries.some(([, , flags]) => (Number(flags) & COMPLETE) !== 0) ? 'present' : 'missing';
}
