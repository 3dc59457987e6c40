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

export type AnswerView =
  | { readonly ok: true; readonly value: unknown; readonly roundTripMs: number; readonly tries: number }
  | { readonly ok: false; readonly error: ErrorView };

/** `answers`, a log: what was asked, and what came of it. */
export interface AskedView {
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly peer: string;
  readonly command: string;
  readonly args: readonly (string | number | boolean | null)[];
  readonly answer: AnswerView;
}

/** `watches`, by number. */
export interface WatchView {
  readonly id: number;
  readonly peer: string;
  readonly command: string;
  readonly args: readonly unknown[];
  readonly everyMs: number;
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

/** `conversations`, by the peer's name, or its key where it is trusted no more. */
export interface ConversationView {
  readonly isPeer: boolean;
  readonly count: number;
  readonly unread: number;
  /** Until the peer is there. */
  readonly waiting: number;
  readonly last?: MessageView;
  readonly error?: ErrorView;
}

/** `chat`, key `now`; not there where all is well. */
export interface ChatView {
  readonly error: ErrorView;
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

export interface OfferView {
  readonly kind: 'file' | 'folder';
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly files: number;
  /** Hexadecimal. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  readonly isExecutable: boolean;
}

/** `shared`, by path: what this machine offers. */
export interface SharedView {
  readonly path: string;
  readonly name: string;
  /** Names of peers; null for all of them. */
  readonly to: readonly string[] | null;
  /** `gone` until it is back. */
  readonly state: 'hashing' | 'offered' | 'gone';
  /** From 0 to 1. */
  readonly hashed: number;
  readonly offer: OfferView | null;
  /** What of a folder cannot be sent. */
  readonly skipped: number;
  readonly error?: ErrorView;
}

/** What peers offer: of `files/look`. */
export interface FoundView {
  readonly key: string;
  readonly offer: OfferView;
  readonly peers: readonly string[];
}

export interface LookView {
  readonly found: readonly FoundView[];
  readonly errors: readonly { readonly peer: string; readonly error: ErrorView }[];
}

/** `transfers`, by number: what this machine gets, what peers push to it, and what it pushes. */
export interface TransferView {
  readonly id: number;
  readonly kind: 'get' | 'incoming' | 'push';
  /** Whom it is of, or to. */
  readonly peers: readonly string[];
  readonly offer: OfferView;
  /** `asked`: somebody has to say whether it is wanted, here, or there if it is pushed. */
  readonly state: 'hashing' | 'asked' | 'running' | 'paused' | 'done' | 'refused' | 'failed' | 'cancelled';
  readonly doneBytes: number;
  readonly bytesPerSecond: number;
  /** Of what is got. */
  readonly sources: readonly TransferSourceView[];
  readonly path?: string;
  readonly error?: ErrorView;
}

export interface TransferSourceView {
  readonly name: string;
  readonly receivedBytes: number;
  readonly bytesPerSecond: number;
  /** Why it is asked no more. */
  readonly loss: 'wrong' | 'changed' | 'gone' | null;
}

/** What is in a folder that a peer pushes: of `transfers/contents`. */
export interface ContentsView {
  readonly entries: readonly {
    readonly path: string;
    /** Null for folders. */
    readonly size: number | null;
    readonly isExecutable: boolean;
  }[];
  /** Those that are not listed, and how many of them are executable; null where nobody knows before it is taken. */
  readonly more: { readonly count: number; readonly executable: number } | null;
}

/** `uploads`, by peer and offer: what peers fetch from this machine. */
export interface UploadView {
  readonly peer: string;
  readonly offer: OfferView;
  readonly servedBytes: number;
  readonly bytesPerSecond: number;
}

/** `files`, key `now`. */
export interface FilesView {
  readonly inbox: string;
  readonly error?: ErrorView;
}

/** `wire`, a log, while somebody looks at it: of each datagram what anybody on the way sees, and what was in it. */
export interface DatagramView {
  /** Counts up. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly direction: 'sent' | 'received';
  readonly address: string;
  /** The peer that relays it. */
  readonly via?: string;
  /** Bytes. */
  readonly length: number;
  /** Its first bytes as they were on the way, hexadecimal. */
  readonly start: string;
  readonly kind: string | null;
  readonly peer?: string;
  readonly dropped?: string;
  readonly messages: readonly {
    readonly name: string;
    readonly fields: Readonly<Record<string, string | number>>;
  }[];
  /** How many there were: `messages` has the first ones. */
  readonly messageCount: number;
}

/** `drops`, by reason. */
export interface DropsView {
  readonly count: number;
  /** Of the last one. */
  readonly from: string;
  readonly at: number;
}

export interface SuggestionView {
  readonly text: string;
  /** What checks it. */
  readonly checks: readonly string[];
}

/** What `doctor/examine` answers. */
export interface ExaminationView {
  readonly findings: readonly {
    readonly check: string;
    readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
    readonly result: string;
    readonly fix?: string;
    readonly peer?: string;
  }[];
  readonly diagnoses: readonly {
    readonly peer?: string;
    /** What asking ended with; not there where it answered. */
    readonly error?: string;
    /** The likeliest first. */
    readonly suggestions: readonly SuggestionView[];
  }[];
}
