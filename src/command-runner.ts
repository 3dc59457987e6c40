/** Runs the commands that peers call: which there are for whom, for how long, and what becomes of their errors. */
import { type ErrorCode, UdpToolError } from './errors.ts';
import type { RemotePeer } from './remote-peer.ts';
import type { Command, CommandContext, CommandSummary } from './rpc/command.ts';
import { MAX_REQUEST_MS } from './rpc/constants.ts';
import { mayCall } from './rpc/permissions.ts';
import type { CommandResult } from './rpc/request-server.ts';
import type { CborValue } from './wire/cbor.ts';

/** Errors whose code a command may choose; any other is `command-failed` to the caller. */
const CODES_OF_COMMANDS: readonly ErrorCode[] = ['bad-arguments', 'busy', 'too-large'];

export class CommandRunner {
  readonly #closing: AbortSignal;
  #commands: ReadonlyMap<string, Command> = new Map();

  /** @param closing ends every command that runs */
  constructor(closing: AbortSignal) {
    this.#closing = closing;
  }

  /** Replaces the commands. @throws UdpToolError `bad-usage` for two with one name */
  serve(commands: readonly Command[]): void {
    const map = new Map(commands.map((command) => [command.name, command]));
    if (map.size < commands.length) throw new UdpToolError('bad-usage', 'Two commands have the same name.');
    this.#commands = map;
  }

  /** The command of that name, where this peer may call it. */
  command(peer: RemotePeer, name: string): Command | undefined {
    return mayCall(peer.permissions, name) ? this.#commands.get(name) : undefined;
  }

  /** Runs a command and calls `done` once, at once or later, unless the endpoint closes first. */
  run(
    command: Command,
    args: Record<string, CborValue>,
    peer: RemotePeer,
    done: (result: CommandResult, later: boolean) => void,
  ): void {
    const call = new Call(args, peer, this.#closing, () => this.#summariesFor(peer));
    const fail = (error: unknown, later: boolean): void =>
      done({ ok: false, error: commandError(error) }, later);
    let result: CborValue | Promise<CborValue>;
    try {
      result = command.run(call);
    } catch (error) {
      fail(error, false);
      return;
    }
    if (!(result instanceof Promise)) {
      done({ ok: true, value: result }, false);
      return;
    }
    let ended = false;
    const end = (finish: () => void): void => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      if (!this.#closing.aborted) finish();
    };
    // Nobody can ask for the answer any longer than that.
    const timer = setTimeout(() => {
      const error = new Error(`"${command.name}" took longer than ${MAX_REQUEST_MS / 1000} s.`);
      call.abort(error);
      end(() => fail(error, true));
    }, MAX_REQUEST_MS);
    timer.unref();
    result.then(
      (value) => end(() => done({ ok: true, value }, true)),
      (error: unknown) => end(() => fail(error, true)),
    );
  }

  #summariesFor(peer: RemotePeer): CommandSummary[] {
    return [...this.#commands.values()]
      .filter(({ name }) => mayCall(peer.permissions, name))
      .map(({ name, summary, args, idempotent }) => ({ name, summary, args, idempotent }));
  }
}

/** What most commands never look at is made when it is. */
class Call implements CommandContext<Readonly<Record<string, CborValue>>> {
  readonly args: Readonly<Record<string, CborValue>>;
  readonly peer: CommandContext<unknown>['peer'];
  readonly #closing: AbortSignal;
  readonly #summaries: () => CommandSummary[];
  #timeLimit: AbortController | null = null;

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
    this.#timeLimit ??= new AbortController();
    return AbortSignal.any([this.#closing, this.#timeLimit.signal]);
  }

  get commands(): readonly CommandSummary[] {
    return this.#summaries();
  }

  abort(reason: unknown): void {
    this.#timeLimit?.abort(reason);
  }
}

/** What a command threw, as its caller may see it: no stack, no cause. */
function commandError(error: unknown): UdpToolError {
  // By name, since a module of commands may have brought its own copy of this library.
  if (error instanceof Error && error.name === 'UdpToolError' && 'code' in error) {
    const code = CODES_OF_COMMANDS.find((known) => known === error.code);
    if (code !== undefined) return new UdpToolError(code, error.message, { cause: error });
  }
  // Anything can be thrown, also what has no text.
  const text =
    error instanceof Error ? error.message : typeof error === 'string' ? error : 'The command failed.';
  return new UdpToolError('command-failed', String(text), { cause: error });
}
