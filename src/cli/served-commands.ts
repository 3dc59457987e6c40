/** What `serve` answers: what comes with udp-tool, and what is somebody's own. */
import { type Command, type LoadOptions, loadCommands, UdpToolError } from '../index.ts';

/**
 * @param ours what comes with udp-tool
 * @throws UdpToolError `bad-commands`
 */
export async function servedCommands(
  files: readonly string[],
  ours: readonly Command[],
  options?: LoadOptions,
): Promise<Command[]> {
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
  return [...ours.filter(({ name }) => !own.has(name)), ...own.values()];
}
