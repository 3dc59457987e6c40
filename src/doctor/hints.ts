/** The commands by which a person looks at a machine: those of this system, and those that others are likely to have. */

const MAC = process.platform === 'darwin';

export const SHOW_ADDRESSES = MAC ? 'ifconfig' : 'ip address';
export const SHOW_ROUTES = MAC ? 'netstat -rn' : 'ip route';
export const SHOW_FIREWALL = MAC ? 'System Settings > Network > Firewall' : 'sudo nft list ruleset';
/** Of another machine, whose system is not known. */
export const SHOW_FIREWALL_THERE = 'sudo nft list ruleset   (or: sudo ufw status; on a Mac: System Settings)';

export function showRouteTo(ip: string): string {
  return MAC ? `route -n get ${ip}` : `ip route get ${ip}`;
}

export function takeDown(name: string): string {
  return MAC ? `sudo ifconfig ${name} down` : `sudo ip link set ${name} down`;
}

export function fullSizeEcho(ip: string, payload: number): string {
  return `ping -c 3 ${MAC ? '-D' : '-M do'} -s ${payload} ${ip}`;
}
