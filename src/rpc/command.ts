/** How a command is defined, whether it comes with udp-tool or is somebody's own. */
import type { PublicKey } from '../crypto/keys.ts';
import { errorForPeer, UdpToolError } from '../errors.ts';
import type { CborValue } from '../wire/cbor.ts';
import { COMMAND_NAME } from '../wire/messages.ts';

interface ArgumentBase {
  /** Shown in `help`, and the key in `args`. */
  readonly name: string;
  readonly summary: string;
  /** May be left away; `args` then holds `undefined`. */
  readonly optional?: boolean;
}

/** Arguments are data, so that `help` can tell them and a form can be made from them. */
export type ArgumentSpec =
  | (ArgumentBase & {
      readonly type: 'integer' | 'number';
      readonly min?: number;
      readonly max?: number;
      readonly default?: number;
    })
  | (ArgumentBase & {
      readonly type: 'text';
      /** In UTF-16 code units. */
      readonly maxLength?: number;
      /** A regular expression, flag `u`, that the whole text has to match. */
      readonly pattern?: string;
      readonly default?: string;
    })
  | (ArgumentBase & { readonly type: 'boolean'; readonly default?: boolean });

type ArgumentValue<Spec> = Spec extends { type: 'integer' | 'number' }
  ? number
  : Spec extends { type: 'boolean' }
    ? boolean
    : string;

/** The validated arguments of a command with these specs. */
export type Arguments<Specs extends readonly ArgumentSpec[]> = {
  readonly [Spec in Specs[number] as Spec['name']]: Spec extends { optional: true }
    ? ArgumentValue<Spec> | undefined
    : ArgumentValue<Spec>;
};

export interface CommandContext<Args> {
  readonly args: Args;
  /** Who asks: its key is proved. */
  readonly peer: { readonly name: string; readonly publicKey: PublicKey };
  /** Fires when the endpoint closes, and when nobody waits for the answer, or watches, any more. */
  readonly signal: AbortSignal;
  /** What this peer may call. */
  readonly commands: readonly CommandSummary[];
}

/** What `help` tells of a command. */
export interface CommandSummary {
  readonly name: string;
  readonly summary: string;
  readonly args: readonly ArgumentSpec[];
  readonly idempotent: boolean;
}

/** What a command gives: a value, now or later, or values one after the other, for those who watch it. */
export type CommandOutput = CborValue | Promise<CborValue> | AsyncIterable<CborValue>;

export interface Command extends CommandSummary {
  /** Makes of what a caller sent what `run` takes, in the place of {@link parseArguments}. @internal */
  readonly parse?: (values: readonly CborValue[]) => Record<string, CborValue>;
  run(context: CommandContext<Readonly<Record<string, CborValue>>>): CommandOutput;
}

export function isStream(output: unknown): output is AsyncIterable<CborValue> {
  return typeof output === 'object' && output !== null && Symbol.asyncIterator in output;
}

/**
 * Defines a command.
 *
 * `idempotent` says that running it twice does no harm: then a request may be repeated after the server restarted,
 * where any other gets the answer that its outcome is unknown. Within one run of the server every request is
 * executed at most once either way.
 *
 * `run` returns anything that CBOR can carry, up to 64 KiB, or an async iterable of such values: whoever watches gets
 * one after the other, and the next is asked for when there is somebody to take it; whoever requests gets the first.
 * What it throws reaches the caller as an error with its
 * message and no more; throw `new UdpToolError('bad-arguments', …)` for arguments that do not go together.
 *
 * @throws UdpToolError `bad-usage` for a name that cannot be typed, a required argument behind an optional one, or a
 *   pattern that is none
 */
export function defineCommand<const Specs extends readonly ArgumentSpec[] = readonly []>(definition: {
  readonly name: string;
  readonly summary: string;
  readonly args?: Specs;
  readonly idempotent: boolean;
  run(context: CommandContext<Arguments<Specs>>): CommandOutput;
}): Command {
  const { name, summary, idempotent } = definition;
  const args = definition.args ?? [];
  if (!COMMAND_NAME.test(name)) {
    throw new UdpToolError('bad-usage', `"${name}" cannot be a command's name.`, {
      hint: 'Use lower-case letters, digits, dots, dashes and underscores, a letter first, 64 at most.',
    });
  }
  for (const spec of args) {
    if (spec.type !== 'text' || spec.pattern === undefined) continue;
    try {
      wholeOf(spec.pattern);
    } catch (cause) {
      throw new UdpToolError(
        'bad-usage',
        `The pattern of <${spec.name}> of "${name}" is no regular expression.`,
        {
          cause,
        },
      );
    }
  }
  const firstOptional = args.findIndex(mayBeAbsent);
  if (firstOptional >= 0 && !args.slice(firstOptional).every(mayBeAbsent)) {
    throw new UdpToolError('bad-usage', `A required argument of "${name}" stands behind an optional one.`);
  }
  // parseArguments makes `args` what these specs say before run sees it.
  return { name, summary, args, idempotent, run: definition.run as unknown as Command['run'] };
}

function mayBeAbsent(spec: ArgumentSpec): boolean {
  return spec.optional === true || spec.default !== undefined;
}

/** `lucky [min] [max]` */
export function usage(command: CommandSummary): string {
  const args = command.args.map((spec) => (mayBeAbsent(spec) ? `[${spec.name}]` : `<${spec.name}>`));
  return [command.name, ...args].join(' ');
}

/**
 * Checks what a caller sent against the specs. Numbers and booleans may come as text, as a command line has them.
 * @throws UdpToolError `bad-arguments`
 */
export function parseArguments(command: Command, values: readonly CborValue[]): Record<string, CborValue> {
  if (values.length > command.args.length) {
    throw badArguments(
      `${command.name} takes at most ${command.args.length} arguments, not ${values.length}`,
      command,
    );
  }
  const parsed: Record<string, CborValue> = {};
  command.args.forEach((spec, i) => {
    const value = values[i];
    if (value !== undefined) {
      parsed[spec.name] = parseArgument(command, spec, value);
    } else if (mayBeAbsent(spec)) {
      parsed[spec.name] = spec.default;
    } else {
      throw badArguments(`${command.name} wants <${spec.name}>`, command);
    }
  });
  return parsed;
}

function parseArgument(command: Command, spec: ArgumentSpec, value: CborValue): CborValue {
  const refuse = (expected: string): never => {
    throw badArguments(`<${spec.name}> must be ${expected}`, command);
  };
  switch (spec.type) {
    case 'integer':
    case 'number': {
      const number = typeof value === 'string' && NUMBER.test(value) ? Number(value) : value;
      const kind = spec.type === 'integer' ? 'a whole number' : 'a number';
      if (typeof number !== 'number' || !Number.isFinite(number)) return refuse(kind);
      if (spec.type === 'integer' && !Number.isSafeInteger(number)) return refuse(kind);
      if (spec.min !== undefined && number < spec.min) return refuse(`${kind} of at least ${spec.min}`);
      if (spec.max !== undefined && number > spec.max) return refuse(`${kind} of at most ${spec.max}`);
      return number;
    }
    case 'boolean':
      if (value === true || value === 'true') return true;
      if (value === false || value === 'false') return false;
      return refuse('true or false');
    case 'text':
      if (typeof value !== 'string') return refuse('text');
      if (spec.maxLength !== undefined && value.length > spec.maxLength) {
        return refuse(`at most ${spec.maxLength} characters`);
      }
      if (spec.pattern !== undefined && !wholeOf(spec.pattern).test(value)) {
        return refuse(`text like ${spec.pattern}`);
      }
      return value;
  }
}

/** Compiled once for each pattern that a command was defined with. */
const patterns = new Map<string, RegExp>();

function wholeOf(pattern: string): RegExp {
  let compiled = patterns.get(pattern);
  if (compiled === undefined) patterns.set(pattern, (compiled = new RegExp(`^(?:${pattern})$`, 'u')));
  return compiled;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function badArguments(problem: string, command: Command): UdpToolError {
  return errorForPeer('bad-arguments', `${problem}. Usage: ${usage(command)}`);
}
