/** For whoever looks at the datagrams of this very machine: what they were, and what was in them. */
import { describeMessage, type SeenMessage } from '../wire/describe-message.ts';
import type { Message } from '../wire/messages.ts';
import type { Address, Transmit } from './address.ts';
import type { DropReason } from './drop-reason.ts';
import type { Peer } from './peer.ts';

export interface Tap {
  /** Whether somebody looks; where nobody does, nothing is copied and nothing described. */
  readonly isOpen: boolean;
  received(datagram: Received): void;
  /** It leaves now. */
  sent(transmit: Transmit): void;
}

export interface Received {
  /** Its first bytes, as it arrived. */
  readonly start: Uint8Array;
  readonly length: number;
  readonly from: Address;
  /** Undefined where nothing proved who sealed it. */
  readonly contents: Contents | undefined;
  readonly dropped: DropReason | null;
}

export interface Contents {
  /** Who sealed it, or for whom it is sealed. */
  readonly peer: Peer;
  /** The first {@link MAX_SEEN_MESSAGES}; none of a handshake, whose datagrams hold keys and no messages. */
  readonly messages: readonly SeenMessage[];
  readonly messageCount: number;
}

const MAX_START_BYTES = 64;
const MAX_SEEN_MESSAGES = 32;

/** A copy that keeps nothing else alive. */
export function startOf(datagram: Uint8Array): Uint8Array {
  return new Uint8Array(datagram.subarray(0, MAX_START_BYTES));
}

export function contentsOf(peer: Peer, messages: readonly Message[]): Contents {
  return {
    peer,
    messages: messages.slice(0, MAX_SEEN_MESSAGES).map(describeMessage),
    messageCount: messages.length,
  };
}
