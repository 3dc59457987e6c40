/** One run of a command for a peer: what the command is told, and what its caller is told of its errors. */
import { type ErrorCode, errorForPeer, type UdpToolError } from './errors.ts';
import type { RemotePeer } from './remote-peer.ts';
import type { CommandContext, CommandSummary } from './rpc/command.ts';
import type { CborValue } from './wire/cbor.ts';

/** Errors whose code a command may choose; any other is `command-failed` to the caller. */
const CODES_OF_COMMANDS: readonly ErrorCode[] = ['bad-arguments', 'busy', 'too-large'];

/** What most commands never look at is made when it is. */
export class CommandCall implements CommandContext<Readonly<Record<string, CborValue>>> {
  readonly args: Readonly<Record<string, CborValue>>;
  readonly peer: CommandContext<unknown>['peer'];
  readonly #closing: AbortSignal;
  readonly #summaries: () => CommandSummary[];
  #ended: AbortController | null = null;
  #reason: unknown;

  constructor(
    args: Readonly<Record<string, CborValue>>,
    peer: RemotePeer,
    closing: AbortSignal,
    summaries: () => CommandSummary[],
  ) {
    this.args = args;
    this.peer = { name: peer.name, publicKey: peer.publicKey };
    this.#closing = closing;
    this.#summaries = summaries;
  }

  get signal(): AbortSignal {
    if (this.#ended === null) {
      this.#ended = new AbortController();
      if (this.#reason !== undefined) this.#ended.abort(this.#reason);
      else if (this.#closing.aborted) this.#onClosing();
      else this.#closing.addEventListener('abort', this.#onClosing);
    }
    return this.#ended.signal;
  }

  get commands(): readonly CommandSummary[] {
    return this.#summaries();
  }

  /** Nobody waits for it any more. */
  abort(reason: Error): void {
    this.finish();
    this.#reason = reason;
    this.#ended?.abort(reason);
  }

  /** It has ended: nothing holds on to it. */
  finish(): void {
    this.#closing.removeEventListener('abort', this.#onClosing);
  }

  readonly #onClosing = (): void => {
    this.#ended?.abort(this.#closing.reason);
  };
}

/** What a command threw, as its caller may see it: no stack, no cause. */
export function commandError(error: unknown): UdpToolError {
  // By name, since a module of commands may have brought its own copy of this library.
  if (error instanceof Error && error.name === 'UdpToolError' && 'code' in error) {
    const code = CODES_OF_COMMANDS.find((known) => known === error.code);
    if (code !== undefined) return errorForPeer(code, error.message, { cause: error });
  }
  return errorForPeer('command-failed', textOf(error), { cause: error });
}

/** Anything can be thrown, also what has no text, or one that cannot be read. */
function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : error;
  return typeof text === 'string' ? text : 'The command failed.';
}
