/** Commands as a JavaScript module exports them. */
import { randomUUID } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { UdpToolError } from '../errors.ts';
import { type ArgumentSpec, type Command, defineCommand } from '../rpc/command.ts';

type Definition = Parameters<typeof defineCommand>[0];

const ARGUMENT_TYPES: readonly string[] = [
  'integer',
  'number',
  'boolean',
  'text',
] satisfies ArgumentSpec['type'][];

/**
 * Every export that has a `run` is a command, also those in a list; what has no name of its own has the export's.
 * They may come from `defineCommand` or be its argument, so that a module needs nothing installed beside it.
 */
export async function commandsOfModule(path: string, anew: boolean): Promise<Command[]> {
  let exported: Record<string, unknown>;
  try {
    exported = await (anew ? importAnew(path) : import(pathToFileURL(path).href));
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new UdpToolError('bad-commands', `${path} cannot be loaded: ${message}`, {
      cause,
      hint: `See where with "node ${path}". It can do without importing udp-tool: docs/commands.md.`,
    });
  }
  return Object.entries(exported).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter(hasRun)
      .map((definition) => commandOf(path, { name, ...definition })),
  );
}

/** Node keeps a module by its URL, and a CommonJS one by its path too. The old one stays in memory. */
async function importAnew(path: string): Promise<Record<string, unknown>> {
  const url = pathToFileURL(path);
  url.searchParams.set('loaded', randomUUID());
  delete createRequire(url).cache[await realpath(path)];
  return import(url.href);
}

function hasRun(value: unknown): value is { run: unknown } {
  return typeof value === 'object' && value !== null && 'run' in value;
}

/** Checks what TypeScript would have. */
function commandOf(path: string, definition: { name: unknown; run: unknown }): Command {
  const {
    name,
    run,
    summary,
    args = [],
    idempotent = false,
  }: Partial<Record<keyof Definition, unknown>> = definition;
  const refuse = (problem: string): never => {
    throw new UdpToolError('bad-commands', `${path}: the command "${String(name)}" ${problem}.`, {
      hint: 'docs/commands.md has an example.',
    });
  };
  if (typeof run !== 'function') refuse('has a `run` that is no function');
  if (typeof summary !== 'string') refuse('has no summary');
  if (typeof idempotent !== 'boolean') refuse('should say `idempotent: true` or `false`');
  if (!Array.isArray(args)) return refuse('should have a list as `args`');
  for (const spec of args as Partial<ArgumentSpec>[]) {
    const isSpec = typeof spec?.name === 'string' && typeof spec.summary === 'string';
    if (!isSpec || !ARGUMENT_TYPES.includes(spec.type as string)) {
      refuse(`has an argument without name, summary or type (${ARGUMENT_TYPES.join(', ')})`);
    }
  }
  try {
    return defineCommand({ ...definition, args, idempotent } as unknown as Definition);
  } catch (error) {
    if (!(error instanceof UdpToolError)) throw error;
    throw new UdpToolError('bad-commands', `${path}: ${error.message}`, {
      cause: error,
      ...(error.hint !== undefined && { hint: error.hint }),
    });
  }
}
