import { type ArgumentSpec, type CommandSummary, defineCommand } from '../rpc/command.ts';
import type { CborValue } from '../wire/cbor.ts';

export const help = defineCommand({
  name: 'help',
  summary: 'Every command that you may call, with its arguments',
  idempotent: true,
  run: ({ commands }) =>
    commands.map(({ name, summary, args, idempotent }) => ({
      name,
      summary,
      args: args.map((spec) => ({ ...spec })) as CborValue[],
      idempotent,
    })),
});

/** What a peer's `help` says; null when it is nothing of the kind: the peer may have a `help` of its own. */
export function readHelp(value: CborValue): CommandSummary[] | null {
  if (!Array.isArray(value)) return null;
  const isText = (text: unknown): boolean => typeof text === 'string';
  const fits = (value as unknown[]).every((item) => {
    const { name, summary, args } = (item ?? {}) as Partial<CommandSummary>;
    return (
      isText(name) &&
      isText(summary) &&
      Array.isArray(args) &&
      args.every(
        (spec: Partial<ArgumentSpec> | null) =>
          isText(spec?.name) && isText(spec?.summary) && isText(spec?.type),
      )
    );
  });
  return fits ? (value as unknown as CommandSummary[]) : null;
}
