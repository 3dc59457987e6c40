/** Which commands a peer may call. What it may not call does not exist, as far as it can tell. */

export interface Permissions {
  /** Names of commands; `*` for all. */
  readonly allow: readonly string[];
  /** Names that are not meant, though `allow` has them. */
  readonly deny: readonly string[];
}

export const EVERY_COMMAND = '*';
/** What a peer of the peer book may call unless the book says otherwise: nothing that somebody added. */
export const DEFAULT_ALLOW: readonly string[] = ['time', 'lucky', 'msg', 'mail'];
/** One lists what the peer may call, the other shows that the peer is trusted: every peer may know that much. */
export const OPEN_TO_ALL: readonly string[] = ['help', 'ping'];

export function mayCall({ allow, deny }: Permissions, command: string): boolean {
  if (OPEN_TO_ALL.includes(command)) return true;
  return (allow.includes(command) || allow.includes(EVERY_COMMAND)) && !deny.includes(command);
}

/** With these commands too. */
export function allowing({ allow, deny }: Permissions, commands: readonly string[]): Permissions {
  if (commands.includes(EVERY_COMMAND)) return { allow: [EVERY_COMMAND], deny: [] };
  return {
    allow: allow.includes(EVERY_COMMAND) ? allow : unique([...allow, ...commands]),
    deny: deny.filter((command) => !commands.includes(command)),
  };
}

/** Without these commands. */
export function denying({ allow, deny }: Permissions, commands: readonly string[]): Permissions {
  if (commands.includes(EVERY_COMMAND)) return { allow: [], deny: [] };
  const left = allow.filter((command) => !commands.includes(command));
  return { allow: left, deny: left.includes(EVERY_COMMAND) ? unique([...deny, ...commands]) : deny };
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
