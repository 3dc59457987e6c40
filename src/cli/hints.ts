/** The commands by which a person looks at a machine, by the name that they have there. */

const MAC = process.platform === 'darwin';

export const SHOW_ADDRESSES = MAC ? 'ifconfig' : 'ip address';
export const SHOW_ROUTES = MAC ? 'netstat -rn' : 'ip route';
export const SHOW_FIREWALL = MAC ? 'System Settings > Network > Firewall' : '"sudo nft list ruleset"';
