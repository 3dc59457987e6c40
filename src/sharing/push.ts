/** Has a peer take an offer of this machine, which its endpoint has to serve meanwhile (PROTOCOL §10.3). */
import { setTimeout as sleep } from 'node:timers/promises';
import { UdpToolError } from '../errors.ts';
import type { Offer } from '../files/offer.ts';
import type { RemotePeer } from '../remote-peer.ts';
import { random } from '../transport/random.ts';
import { askToTake } from './offer-list.ts';
import { decodePushState, MAX_PUSH_STATE_BYTES, type PushState } from './push-state.ts';
import { within } from './within.ts';

export interface PushOptions {
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** So long until the first word of the peer. */
  readonly firstAnswerMs?: number;
  /** So long without another word of the peer, and it is given up. */
  readonly patienceMs?: number;
  readonly onState?: (state: PushState) => void;
}

const FIRST_ANSWER_MS = 10_000;
const PATIENCE_MS = 60_000;
const RETRY_MS = 1_000;
/** A receiver waits before it says the same again; one that does not is not asked sooner for that. */
const LEAST_MS = 100;

/**
 * Resolves when the peer has all of it.
 * @throws UdpToolError `push-refused`, `no-answer`, `aborted`, `failed`
 */
export async function push(peer: RemotePeer, offer: Offer, options: PushOptions): Promise<void> {
  const { signal, now, firstAnswerMs = FIRST_ANSWER_MS, patienceMs = PATIENCE_MS, onState } = options;
  const [number = 0] = new Uint32Array(random(4).buffer);
  const beganAt = now();
  let heardAt: number | null = null;
  for (;;) {
    const askedAt = now();
    const waitMs = heardAt === null ? firstAnswerMs : patienceMs;
    const result = await within(waitMs, signal, (late) =>
      peer.ask({
        subject: askToTake(offer, number),
        maxBytes: MAX_PUSH_STATE_BYTES,
        patienceMs: 5_000,
        signal: late,
      }),
    );
    if (signal.aborted) throw new UdpToolError('aborted', 'The push was stopped.', { cause: signal.reason });
    const state = result.ok ? decodePushState(result.bytes) : null;
    if (state !== null) {
      heardAt = now();
      onState?.(state);
    }
    if (state?.state === 'done') return;
    if (state?.state === 'failed') throw failed(peer, offer);
    const isReset = !result.ok && result.reason === 'refused' && result.code !== 'busy';
    if (state?.state === 'refused') throw refused(peer, offer);
    if (isReset) throw takesNothing(peer);
    if (heardAt === null && now() - beganAt >= firstAnswerMs - 1) throw noAnswerAtAll(peer);
    if (now() - (heardAt ?? beganAt) > patienceMs) throw noAnswer(peer);
    const leastMs = state === null || state.state === 'busy' ? RETRY_MS : LEAST_MS - (now() - askedAt);
    if (leastMs > 0) await sleep(leastMs);
  }
}

function refused({ name }: RemotePeer, offer: Offer): UdpToolError {
  return new UdpToolError('push-refused', `"${name}" refused "${offer.name}".`, {
    hint: 'Somebody there said no, or nobody was there to ask: "udp-tool serve --inbox FOLDER --accept NAME" takes it without asking.',
  });
}

function takesNothing({ name }: RemotePeer): UdpToolError {
  return new UdpToolError('push-refused', `"${name}" takes nothing that is pushed.`, {
    hint: 'There: udp-tool serve --inbox FOLDER, and --accept NAME to take it without asking.',
  });
}

function failed({ name }: RemotePeer, offer: Offer): UdpToolError {
  return new UdpToolError('failed', `"${name}" could not take all of "${offer.name}".`, {
    hint: 'It is said there why. Push it again: it goes on where it stopped.',
  });
}

function noAnswerAtAll({ name }: RemotePeer): UdpToolError {
  return new UdpToolError('no-answer', `"${name}" does not answer.`, {
    hint: `See why: udp-tool doctor ${name}`,
  });
}

function noAnswer({ name }: RemotePeer): UdpToolError {
  return new UdpToolError('no-answer', `"${name}" does not answer any more.`, {
    hint: 'Push it again: it goes on where it stopped.',
  });
}
