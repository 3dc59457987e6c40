/** Asking a peer once, and finding out why there is no answer: silence is all that a secure server gives. */

import {
  type Answer,
  type CborValue,
  formatAddress,
  type PublicKey,
  type Reachability,
  type RemotePeer,
  RequestError,
  UdpToolError,
} from '../index.ts';
import { SHOW_ADDRESSES, SHOW_FIREWALL, SHOW_ROUTES } from './hints.ts';

/** Silent for so long, the network itself is asked; sooner where there is little time. */
const PROBE_AFTER_MS = 300;
/** A port that is closed now may be open again in a moment: a server that restarts. */
const GRACE_MS = 1_200;

export interface Question {
  readonly peer: RemotePeer;
  readonly command: string;
  readonly args: readonly CborValue[];
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Sends one request, and meanwhile asks the network, so that a closed port or a missing route is told long before
 * the deadline.
 * @throws UdpToolError as {@link RemotePeer.request}, and `port-closed` and `no-route`
 */
export async function ask({ peer, command, args, timeoutMs, signal }: Question): Promise<Answer> {
  const giveUp = new AbortController();
  const request = peer.request(command, args, {
    timeoutMs,
    signal: AbortSignal.any([signal, giveUp.signal]),
  });
  const watching = watchNetwork(peer, timeoutMs, giveUp);
  try {
    return await request;
  } catch (error) {
    if (giveUp.signal.aborted && !signal.aborted) throw giveUp.signal.reason;
    throw error;
  } finally {
    watching.stop();
  }
}

/** Aborts with a reason once every address of the peer is known not to work, and has not worked for a moment. */
function watchNetwork(peer: RemotePeer, timeoutMs: number, giveUp: AbortController): { stop(): void } {
  const graceMs = Math.min(GRACE_MS, timeoutMs / 2);
  const startedAt = performance.now();
  const stopped = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const look = async (): Promise<void> => {
    const paths = await peer.probe().catch(() => []);
    const [first] = paths;
    if (stopped.signal.aborted || first === undefined) return;
    if (paths.some(({ result }) => result === 'silent')) return;
    if (performance.now() - startedAt >= graceMs) giveUp.abort(deadPath(peer, first));
    else timer = setTimeout(look, graceMs);
  };
  timer = setTimeout(look, Math.min(PROBE_AFTER_MS, timeoutMs / 4));
  return {
    stop(): void {
      stopped.abort();
      clearTimeout(timer);
    },
  };
}

function deadPath(peer: RemotePeer, { address, result }: Reachability): UdpToolError {
  const where = formatAddress(address);
  if (result === 'closed') {
    return new UdpToolError('port-closed', `Nothing listens on ${where}: the machine is there and says so.`, {
      hint: `Start it on "${peer.name}": udp-tool serve --port ${address.port}   (or its firewall rejects it)`,
    });
  }
  if (result === 'blocked') {
    return new UdpToolError('no-permission', `This machine does not let datagrams out to ${where}.`, {
      hint: `Its own firewall, most likely: see ${SHOW_FIREWALL}.`,
    });
  }
  if (result === 'unreachable') {
    return new UdpToolError(
      'no-route',
      `${address.ip} is unreachable: a machine on the way, or its firewall, says so.`,
      {
        hint: `Look at the firewall there, and at the route here: ${SHOW_ROUTES}`,
      },
    );
  }
  return new UdpToolError('no-route', `This machine has no route to ${where}.`, {
    hint: `Is the interface up, with an address in the same network? See "${SHOW_ADDRESSES}" and "${SHOW_ROUTES}".`,
  });
}

/** For a failure, the likely causes in order, each with the command that checks it. */
export function explain(error: unknown, peer: RemotePeer, own: PublicKey, hasPsk: boolean): string[] {
  if (!(error instanceof RequestError) || error.code !== 'no-answer' || error.progress !== 'no-handshake')
    return [];
  const { host = '', port = '' } = peer.at ?? {};
  return [
    'A secure server is silent to whom it does not know. Likely causes, the likeliest first:',
    `  1. It does not trust this machine.      On "${peer.name}": udp-tool peer list   must show`,
    `     ${own}`,
    `  2. Its key here is not its own.         On "${peer.name}": udp-tool peer show   must print`,
    `     ${peer.publicKey}`,
    `  3. "serve" is not running there, or on another port than ${port}.   On "${peer.name}": udp-tool serve -v`,
    `  4. A firewall drops UDP port ${port}.     On "${peer.name}": sudo nft list ruleset   (or: sudo ufw status)`,
    `  5. ${host} is another machine, off, or nobody's address.   Here: ping ${host}`,
    ...(hasPsk ? ['  6. The pre-shared key (psk) is set here alone, or is another one there.'] : []),
  ];
}
