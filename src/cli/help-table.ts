/** The answer to `help`, which comes as data, as a table for people. */
import { type ArgumentSpec, type CborValue, readHelp, usage } from '../index.ts';
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

function describe(spec: ArgumentSpec): string {
  const details: string[] = [spec.type];
  if ('min' in spec && spec.min !== undefined) details.push(`from ${spec.min}`);
  if ('max' in spec && spec.max !== undefined) details.push(`up to ${spec.max}`);
  if (spec.default !== undefined) details.push(`${spec.default} if not given`);
  return `${spec.summary} (${details.join(', ')})`;
}
