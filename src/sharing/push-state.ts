/** What the receiver of a push answers its sender (PROTOCOL §10.3). */
import { decodeCbor, encodeTrusted } from '../wire/cbor.ts';

/** Waiting for its owner's word; being fetched; there, under its final name; not wanted; given up; asked too often. */
const PUSH_STATES = ['asked', 'taking', 'done', 'refused', 'failed', 'busy'] as const;

export interface PushState {
  readonly state: (typeof PUSH_STATES)[number];
  readonly doneBytes: number;
}

export const MAX_PUSH_STATE_BYTES = 64;

export function encodePushState({ state, doneBytes }: PushState): Uint8Array {
  return encodeTrusted([state, doneBytes]);
}

export function decodePushState(bytes: Uint8Array): PushState | null {
  const decoded = decodeCbor(bytes);
  if (!decoded.ok || !Array.isArray(decoded.value) || decoded.value.length !== 2) return null;
  const [text, doneBytes] = decoded.value;
  const state = PUSH_STATES.find((one) => one === text);
  return state !== undefined && Number.isSafeInteger(doneBytes) && doneBytes >= 0
    ? { state, doneBytes }
    : null;
}
