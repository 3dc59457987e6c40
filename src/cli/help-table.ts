/** The answer to `help`, which comes as data, as a table for people. */
import { type ArgumentSpec, type CborValue, type CommandSummary, usage } from '../index.ts';
import { columns, printable, render } from './output.ts';

export function renderAnswer(command: string, value: CborValue): string {
  const summaries = command === 'help' ? readHelp(value) : null;
  if (summaries === null) return render(value);
  return columns(
    summaries.flatMap((summary) => [
      [printable(usage(summary)), printable(summary.summary)] as const,
      ...summary.args.map((spec) => [`  ${printable(spec.name)}`, printable(describe(spec))] as const),
    ]),
  );
}

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

function describe(spec: ArgumentSpec): string {
  const details: string[] = [spec.type];
  if ('min' in spec && spec.min !== undefined) details.push(`from ${spec.min}`);
  if ('max' in spec && spec.max !== undefined) details.push(`up to ${spec.max}`);
  if (spec.default !== undefined) details.push(`${spec.default} if not given`);
  return `${spec.summary} (${details.join(', ')})`;
}
