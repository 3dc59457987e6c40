import { defineCommand } from '../rpc/command.ts';
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
