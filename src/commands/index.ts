import type { Command } from '../rpc/command.ts';
import { help, readHelp } from './help.ts';
import { lucky } from './lucky.ts';
import { ping } from './ping.ts';
import { time } from './time.ts';

/** What `udp-tool serve` answers. */
export const builtinCommands: readonly Command[] = [time, lucky, help, ping];

export { help, lucky, ping, readHelp, time };
