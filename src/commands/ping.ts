import { defineCommand } from '../rpc/command.ts';

export const ping = defineCommand({
  name: 'ping',
  summary: 'Gives back what it is given, and so shows that requests and answers get through',
  args: [{ name: 'data', type: 'text', summary: 'Any text', optional: true }],
  idempotent: true,
  run: ({ args: { data = null } }) => data,
});
