/** What goes between the page and its other side: types alone, for both. */

export interface ErrorView {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** What a page is told, as JSON: at first everything, then what changed. */
export type Update =
  | {
      readonly map: string;
      readonly set: Readonly<Record<string, unknown>>;
      readonly gone: readonly string[];
    }
  /** `skipped` entries were too many to be told of. */
  | { readonly log: string; readonly add: readonly unknown[]; readonly skipped: number };

/** `status`, key `machine`. */
export interface StatusView {
  /** What udp-tool does for this page: without a key, only the first page. */
  readonly state: 'no-key' | 'running' | 'failed';
  readonly name: string;
  readonly publicKey?: string;
  /** What another machine pastes to trust and to ask this one, for each of this one's addresses. */
  readonly addLines: readonly string[];
  readonly keyFolder: string;
  readonly addresses: readonly string[];
  /** Another udp-tool has the port that peers know. */
  readonly isPortTaken: boolean;
  readonly isReadOnly: boolean;
  readonly error?: ErrorView;
}

/** `pairing`, key `now`; not there while nothing goes on. */
export interface PairingView {
  readonly state: 'waiting' | 'asking' | 'code' | 'confirmed' | 'paired' | 'failed';
  readonly addresses: readonly string[];
  readonly code?: string;
  readonly peer?: { readonly name: string; readonly publicKey: string; readonly at?: string };
  readonly note?: string;
  readonly error?: ErrorView;
}

export interface PathView {
  readonly kind: 'direct' | 'lan' | 'punched' | 'relayed';
  readonly address: string;
  readonly via?: string;
  readonly roundTripMs: number | null;
}

/** `peers`, by name. */
export interface PeerView {
  readonly name: string;
  readonly publicKey: string;
  readonly at?: string;
  readonly hasPsk: boolean;
  readonly isPaused: boolean;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly path: PathView | null;
  /** Whether it answered when it was looked for last; null before that. */
  readonly isThere: boolean | null;
  /** Milliseconds since 1970. */
  readonly lastSeenAt: number | null;
}

/** `commands`, by name: what this machine offers. */
export interface OwnCommandView {
  readonly name: string;
  readonly summary: string;
}

export interface ArgumentView {
  readonly name: string;
  readonly summary: string;
  readonly type: 'integer' | 'number' | 'text' | 'boolean';
  readonly optional?: boolean;
  readonly min?: number;
  readonly max?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly default?: number | string | boolean;
}

export interface CommandView {
  readonly name: string;
  readonly summary: string;
  readonly args: readonly ArgumentView[];
}

/** What `ask/run` answers. */
export type AnswerView =
  | { readonly ok: true; readonly value: unknown; readonly roundTripMs: number; readonly tries: number }
  | { readonly ok: false; readonly error: ErrorView };

/** `watches`, by number. */
export interface WatchView {
  readonly id: number;
  readonly peer: string;
  readonly command: string;
  readonly args: readonly unknown[];
  readonly state: 'running' | 'silent' | 'ended';
  readonly count: number;
  readonly missed: number;
  readonly error?: ErrorView;
}

/** `watchValues`, a log. */
export interface WatchValueView {
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly value: unknown;
}

/** `ping`: what `peers/ping` answers. */
export interface PingView {
  /** Null where no answer came in time. */
  readonly roundTripMs: number | null;
}

/** `conversations`, by the peer's name. */
export interface ConversationView {
  readonly count: number;
  readonly unread: number;
  /** Until the peer is there. */
  readonly waiting: number;
  readonly last?: MessageView;
  readonly error?: ErrorView;
}

/** What `chat/page` answers. */
export interface MessageView {
  readonly seq: number;
  readonly direction: 'in' | 'out';
  readonly text: string;
  /** Milliseconds since 1970, by the clock of its writer. */
  readonly writtenAt: number;
  readonly state: 'waiting' | 'delivered' | 'discarded' | 'unread' | 'read';
}

/** `conversationChanges`, a log. */
export type ConversationChangeView = { readonly peer: string } & (
  | { readonly kind: 'added'; readonly message: MessageView }
  | { readonly kind: 'delivered' | 'discarded'; readonly seqs: readonly number[] }
  | { readonly kind: 'read'; readonly upTo: number }
  | { readonly kind: 'forgotten' }
);
