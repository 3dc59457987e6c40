/** Somebody's own commands, from the file that `serve --commands` names. */
import { extname, resolve } from 'node:path';
import { hasSystemCode, UdpToolError } from '../errors.ts';
import { refuseIfOpen } from '../file-modes.ts';
import type { Command } from '../rpc/command.ts';
import { OPEN_TO_ALL } from '../rpc/permissions.ts';
import { commandsOfModule } from './module.ts';
import { commandsOfTable } from './table.ts';

export interface LoadOptions {
  /**
   * Evaluates a module anew, though this process did so before: for a file that changed since. What the module imports is
   * not evaluated again.
   */
  readonly anew?: boolean;
}

const LOADERS: ReadonlyMap<string, (path: string, anew: boolean) => Promise<Command[]>> = new Map([
  ['.mjs', commandsOfModule],
  ['.js', commandsOfModule],
  ['.toml', commandsOfTable],
]);

/**
 * The commands that a file defines: a module (`.mjs`, `.js`) or a table of programs (`.toml`); docs/commands.md has
 * both.
 * @throws UdpToolError `bad-commands`; `key-unsafe` for a file that other users can change
 */
export async function loadCommands(file: string, { anew = false }: LoadOptions = {}): Promise<Command[]> {
  const path = resolve(file);
  const load = LOADERS.get(extname(path));
  if (load === undefined) {
    throw new UdpToolError('bad-commands', `${path} is neither a module nor a table of commands.`, {
      hint: `Its name should end in ${[...LOADERS.keys()].join(', ')}.`,
    });
  }
  try {
    await refuseIfOpen(path, 0o022, 'go-w');
  } catch (cause) {
    if (!hasSystemCode(cause, 'ENOENT', 'EACCES', 'ENOTDIR')) throw cause;
    throw new UdpToolError('bad-commands', `${path} cannot be read.`, { cause, hint: 'Check its name.' });
  }
  const commands = await load(path, anew);
  const names = commands.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new UdpToolError('bad-commands', `${path} defines "${twice}" twice.`);
  const taken = names.find((name) => OPEN_TO_ALL.includes(name));
  if (taken !== undefined) {
    throw new UdpToolError('bad-commands', `${path} defines "${taken}", which every peer may call.`, {
      hint: 'Choose another name.',
    });
  }
  if (names.length === 0) {
    throw new UdpToolError('bad-commands', `${path} defines no command.`, { hint: 'See docs/commands.md.' });
  }
  return commands;
}
