/** What `serve` answers: what comes with udp-tool, and what is somebody's own. */
import { builtinCommands, type Command, type LoadOptions, loadCommands, UdpToolError } from '../index.ts';

/** @throws UdpToolError `bad-commands` */
export async function servedCommands(files: readonly string[], options?: LoadOptions): Promise<Command[]> {
  const own = new Map<string, Command>();
  for (const file of files) {
    for (const command of await loadCommands(file, options)) {
      if (own.has(command.name)) {
        throw new UdpToolError('bad-commands', `Two files define the command "${command.name}".`);
      }
      own.set(command.name, command);
    }
  }
  // One's own `time` takes the place of ours.
  return [...builtinCommands.filter(({ name }) => !own.has(name)), ...own.values()];
}
