/** How a request ends, for the one who asked. */
import { type ErrorCode, UdpToolError } from '../errors.ts';
import type { CborValue } from '../wire/cbor.ts';

/** How far a request without an answer got: what a person needs to find out why. */
export type RequestProgress =
  | 'no-handshake' // nothing authentic ever came back, so it was not executed
  | 'waiting' // it was not sent: others to that peer were still under way
  | 'no-answer' // it was sent; nothing came back
  | 'running' // the responder said that it works on it
  | 'partial'; // some of the answer came

export type Outcome =
  | {
      readonly ok: true;
      readonly value: CborValue;
      /** From the first sending to the answer, in milliseconds. */
      readonly roundTripMs: number;
      /** How often it was sent. */
      readonly tries: number;
    }
  | {
      readonly ok: false;
      readonly error: UdpToolError;
      readonly progress: RequestProgress;
      readonly tries: number;
      /** Null where the error is not the responder's answer. */
      readonly roundTripMs: number | null;
    };

/** The error of a deadline that passed. */
export function noAnswer(command: string, progress: RequestProgress): UdpToolError {
  switch (progress) {
    case 'no-handshake':
      return new UdpToolError('no-answer', 'Nothing answered. The request was not executed.');
    case 'waiting':
      return new UdpToolError(
        'no-answer',
        `"${command}" was not sent, and so not executed: earlier requests were still under way.`,
      );
    case 'no-answer':
      return new UdpToolError(
        'no-answer',
        `"${command}" was sent and not answered; it may have been executed.`,
      );
    case 'running':
      return new UdpToolError('no-answer', `"${command}" is still running on the other side.`, {
        hint: 'Give it more time with --timeout SECONDS.',
      });
    case 'partial':
      return new UdpToolError('no-answer', `Only a part of the answer to "${command}" came in time.`, {
        hint: 'Give it more time with --timeout SECONDS.',
      });
  }
}

/** Errors that a responder may report; any other word from there is `failed`. */
const REMOTE_ERRORS: readonly ErrorCode[] = [
  'unknown-command',
  'bad-arguments',
  'command-failed',
  'too-large',
  'busy',
  'outcome-unknown',
];

export function errorCodeOf(code: string): ErrorCode {
  return REMOTE_ERRORS.find((known) => known === code) ?? 'failed';
}
