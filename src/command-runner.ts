/** Runs the commands that peers call: which there are for whom, and for how long. */
import { CommandCall, commandError } from './command-call.ts';
import { UdpToolError } from './errors.ts';
import type { RemotePeer } from './remote-peer.ts';
import { type Command, type CommandOutput, type CommandSummary, isStream } from './rpc/command.ts';
import { MAX_REQUEST_MS } from './rpc/constants.ts';
import { mayCall } from './rpc/permissions.ts';
import type { CommandResult } from './rpc/request-server.ts';
import { RESERVED } from './watching/polls.ts';
import { Watches } from './watching/watches.ts';
import type { CborValue } from './wire/cbor.ts';

export class CommandRunner {
  readonly #closing: AbortSignal;
  readonly #watches: Watches;
  #commands: ReadonlyMap<string, Command> = new Map();

  /** @param closing ends every command that runs */
  constructor(closing: AbortSignal, random: (length: number) => Uint8Array) {
    this.#closing = closing;
    this.#watches = new Watches({
      command: (peer, name) => this.command(peer, name),
      call: (args, peer) => this.#call(args, peer),
      closing,
      random,
    });
  }

  /** Replaces the commands. @throws UdpToolError `bad-usage` for two with one name, or a name that is not to be had */
  serve(commands: readonly Command[]): void {
    const map = new Map(commands.map((command) => [command.name, command]));
    if (map.size < commands.length) throw new UdpToolError('bad-usage', 'Two commands have the same name.');
    const reserved = commands.find(({ name }) => name.startsWith(RESERVED));
    if (reserved !== undefined) {
      throw new UdpToolError('bad-usage', `"${reserved.name}" is one of udp-tool's own names.`);
    }
    this.#commands = map;
  }

  /** The command of that name, where this peer may call it. */
  command(peer: RemotePeer, name: string): Command | undefined {
    if (name.startsWith(RESERVED)) return this.#watches.command(peer, name);
    return mayCall(peer.permissions, name) ? this.#commands.get(name) : undefined;
  }

  /** Whether it is there, whoever may call it. */
  has(name: string): boolean {
    return this.#commands.has(name);
  }

  /** Runs a command and calls `done` once, at once or later, unless the endpoint closes first. */
  run(
    command: Command,
    args: Record<string, CborValue>,
    peer: RemotePeer,
    done: (result: CommandResult, later: boolean) => void,
  ): void {
    const call = this.#call(args, peer);
    const fail = (error: unknown, later: boolean): void =>
      done({ ok: false, error: commandError(error) }, later);
    let output: CommandOutput;
    try {
      output = command.run(call);
    } catch (error) {
      call.finish();
      fail(error, false);
      return;
    }
    if (isStream(output)) output = firstOf(output);
    if (!(output instanceof Promise)) {
      call.finish();
      done({ ok: true, value: output }, false);
      return;
    }
    let ended = false;
    const end = (finish: () => void): void => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      call.finish();
      if (!this.#closing.aborted) finish();
    };
    // Nobody can ask for the answer any longer than that.
    const timer = setTimeout(() => {
      const error = new Error(`"${command.name}" took longer than ${MAX_REQUEST_MS / 1000} s.`);
      call.abort(error);
      end(() => fail(error, true));
    }, MAX_REQUEST_MS);
    timer.unref();
    output.then(
      (value) => end(() => done({ ok: true, value }, true)),
      (error: unknown) => end(() => fail(error, true)),
    );
  }

  /** The peer was removed: what it watches ends. */
  forget(peer: RemotePeer): void {
    this.#watches.forget(peer);
  }

  #call(args: Readonly<Record<string, CborValue>>, peer: RemotePeer): CommandCall {
    return new CommandCall(args, peer, this.#closing, () => this.#summariesFor(peer));
  }

  #summariesFor(peer: RemotePeer): CommandSummary[] {
    return [...this.#commands.values()]
      .filter(({ name }) => mayCall(peer.permissions, name))
      .map(({ name, summary, args, idempotent }) => ({ name, summary, args, idempotent }));
  }
}

/** Whoever asks once, instead of watching, gets the first value of a stream. */
async function firstOf(stream: AsyncIterable<CborValue>): Promise<CborValue> {
  for await (const value of stream) return value;
  return undefined;
}
