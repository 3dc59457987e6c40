/** Asking a peer once, and asking the network meanwhile why there is no answer: a secure server gives silence alone. */
import { ERROR_OF_PROBE, saidByProbe } from './doctor/diagnose.ts';
import { UdpToolError } from './errors.ts';
import type { Answer, Reachability, RemotePeer } from './remote-peer.ts';
import type { CborValue } from './wire/cbor.ts';

/** Silent for so long, the network itself is asked; sooner where there is little time. */
const PROBE_AFTER_MS = 300;
/** A port that is closed now may be open again in a moment: a server that restarts. */
const GRACE_MS = 1_200;

export interface AskOptions {
  readonly peer: RemotePeer;
  readonly command: string;
  readonly args?: readonly CborValue[];
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * Sends one request, and meanwhile asks the network, so that a closed port or a missing route is told long before
 * the deadline.
 * @throws UdpToolError as {@link RemotePeer.request}, and `port-closed`, `no-route` and `no-permission`
 */
export async function ask({ peer, command, args = [], timeoutMs, signal }: AskOptions): Promise<Answer> {
  const giveUp = new AbortController();
  const request = peer.request(command, args, {
    timeoutMs,
    signal: signal === undefined ? giveUp.signal : AbortSignal.any([signal, giveUp.signal]),
  });
  const watching = watchNetwork(peer, timeoutMs, giveUp);
  try {
    return await request;
  } catch (error) {
    if (giveUp.signal.aborted && !signal?.aborted) throw giveUp.signal.reason;
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
    const [first = null, ...others] = paths.map((path) => deadPath(peer, path));
    if (stopped.signal.aborted || first === null || others.includes(null)) return;
    if (performance.now() - startedAt >= graceMs) giveUp.abort(first);
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

/** What asking there ends with; null where it may yet work. */
function deadPath({ name }: RemotePeer, { address, result }: Reachability): UdpToolError | null {
  const [likeliest, other] = saidByProbe(name, address, result);
  if (result === 'silent' || likeliest === undefined) return null;
  const checks = [likeliest.checks[0], other && `Or: ${other.text}`];
  const hint = checks.filter((check) => check !== undefined).join('\n');
  return new UdpToolError(ERROR_OF_PROBE[result], likeliest.text, { hint });
}
