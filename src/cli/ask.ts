/** Asking a peer once, and finding out why there is no answer: silence is all that a secure server gives. */
import {
  type Answer,
  type CborValue,
  formatAddress,
  type PublicKey,
  type RemotePeer,
  RequestError,
  UdpToolError,
} from '../index.ts';

/** Silent for so long, the network itself is asked. */
const PROBE_AFTER_MS = 400;
/** A port that is closed now may be open again in a moment: a server that restarts. */
const GRACE_MS = 1_500;

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
  const watching = watchNetwork(peer, giveUp);
  try {
    return await request;
  } catch (error) {
    if (giveUp.signal.aborted && !signal.aborted) throw giveUp.signal.reason;
    throw error;
  } finally {
    watching.stop();
  }
}

/** Aborts with a reason once every address of the peer is known not to work, twice. */
function watchNetwork(peer: RemotePeer, giveUp: AbortController): { stop(): void } {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const look = async (again: boolean): Promise<void> => {
    const paths = await peer.probe().catch(() => []);
    if (stopped) return;
    const dead = paths.length > 0 && paths.every(({ result }) => result !== 'silent');
    if (!dead) return;
    const [first] = paths;
    if (!again) timer = setTimeout(look, GRACE_MS, true);
    else if (first !== undefined) giveUp.abort(deadPath(peer, first.result, formatAddress(first.address)));
  };
  timer = setTimeout(look, PROBE_AFTER_MS, false);
  return {
    stop(): void {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

function deadPath(peer: RemotePeer, result: string, address: string): UdpToolError {
  if (result === 'no-route') {
    return new UdpToolError('no-route', `This machine has no route to ${address}.`, {
      hint: 'Is the cable in, the interface up, and its address in the same network? See "ip address" and "ip route".',
    });
  }
  return new UdpToolError('port-closed', `Nothing listens on ${address}: the machine is there and says so.`, {
    hint: `Start it on "${peer.name}": udp-tool serve --port ${peer.at?.port ?? ''}`,
  });
}

/** For a failure, the likely causes in order, each with the command that checks it. */
export function explain(error: unknown, peer: RemotePeer, own: PublicKey): string[] {
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
    `  5. ${host} is another machine, or off.   Here: ping ${host}`,
    '  6. A pre-shared key (psk) is set on one side alone, or differs.',
  ];
}
