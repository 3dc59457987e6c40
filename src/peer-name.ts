/** What a peer may be called. */
import { UdpToolError } from './errors.ts';

const PEER_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;

export function isPeerName(name: string): boolean {
  return PEER_NAME.test(name);
}

/** @throws UdpToolError `bad-usage` */
export function checkPeerName(name: string): void {
  if (isPeerName(name)) return;
  throw new UdpToolError('bad-usage', `"${name}" cannot be a peer's name.`, {
    hint: 'Use letters, digits, dashes and underscores, 32 at most.',
  });
}
