import type { ErrorCode } from '../index.ts';

export const EXIT = {
  DONE: 0,
  FAILED: 1,
  USAGE: 2,
  REFUSED: 3,
  NO_ANSWER: 4,
  TRUST: 5,
  INTEGRITY: 6,
  INTERRUPTED: 130,
} as const;

export const EXIT_MEANINGS: readonly (readonly [code: number, meaning: string])[] = [
  [EXIT.DONE, 'done'],
  [EXIT.FAILED, 'failed'],
  [EXIT.USAGE, 'usage'],
  [EXIT.REFUSED, 'refused by the other side'],
  [EXIT.NO_ANSWER, 'no answer in time'],
  [EXIT.TRUST, 'key or trust problem'],
  [EXIT.INTEGRITY, 'what arrived is not what was promised'],
  [EXIT.INTERRUPTED, 'interrupted'],
];

const BY_CODE: Record<ErrorCode, number> = {
  'bad-usage': EXIT.USAGE,
  'bad-commands': EXIT.USAGE,
  'bad-key': EXIT.TRUST,
  'key-exists': EXIT.TRUST,
  'key-missing': EXIT.TRUST,
  'key-unsafe': EXIT.TRUST,
  'bad-peer-book': EXIT.TRUST,
  'service-failed': EXIT.FAILED,
  'unknown-peer': EXIT.TRUST,
  'no-address': EXIT.USAGE,
  'too-large': EXIT.FAILED,
  'not-cbor': EXIT.USAGE,
  'spool-full': EXIT.FAILED,
  closed: EXIT.FAILED,
  aborted: EXIT.INTERRUPTED,
  'name-not-found': EXIT.FAILED,
  'no-route': EXIT.FAILED,
  'port-in-use': EXIT.FAILED,
  'no-permission': EXIT.FAILED,
  'port-closed': EXIT.NO_ANSWER,
  'no-answer': EXIT.NO_ANSWER,
  'codes-differ': EXIT.TRUST,
  'pairing-refused': EXIT.REFUSED,
  interfered: EXIT.TRUST,
  'half-paired': EXIT.FAILED,
  exists: EXIT.FAILED,
  locked: EXIT.FAILED,
  'disk-full': EXIT.FAILED,
  'content-changed': EXIT.FAILED,
  integrity: EXIT.INTEGRITY,
  'not-offered': EXIT.REFUSED,
  'push-refused': EXIT.REFUSED,
  'unknown-command': EXIT.REFUSED,
  'bad-arguments': EXIT.REFUSED,
  'command-failed': EXIT.REFUSED,
  busy: EXIT.REFUSED,
  'outcome-unknown': EXIT.FAILED,
  failed: EXIT.FAILED,
};

export function exitCode(code: ErrorCode): number {
  return BY_CODE[code];
}
