/**
 * One family of errors for callers. `code` is stable and is what programs compare; `message` is for people and
 * may change; `hint` says what to do next; `cause` is the error underneath, if there is one.
 *
 * Hostile datagrams never become errors: they end as a {@link DropReason} and a counter.
 */
export type ErrorCode =
  // The caller's own input or set-up
  | 'bad-usage' // an argument that cannot be used
  | 'bad-key' // key text or key bytes that are no key of ours
  | 'key-exists' // a keypair is there already and is never overwritten
  | 'key-missing' // no key folder, or no keypair in it
  | 'key-unsafe' // key files that other users can read or replace
  | 'bad-peer-book' // the peer book cannot be understood
  | 'bad-commands' // a file of own commands that cannot be used
  | 'service-failed' // the service manager refuses, is not there, or a file of somebody else's is in the way
  | 'unknown-peer' // no peer of that name
  | 'no-address' // the peer has no address to send to
  | 'too-large' // more than one request, or one answer, can carry
  | 'not-cbor' // a value that the strict CBOR profile cannot carry (PROTOCOL §7.1)
  | 'spool-full' // too many messages are kept already
  | 'closed' // the endpoint is closed
  | 'aborted' // the caller's AbortSignal fired
  // The network
  | 'name-not-found' // the peer's host name does not resolve
  | 'no-route' // this machine has no route to the address
  | 'port-in-use'
  | 'no-permission' // the operating system refuses
  | 'port-closed' // ICMP says nothing listens on that port
  | 'no-answer' // silence until the deadline
  // Pairing
  | 'codes-differ' // the person did not say that both machines show the same code
  | 'pairing-refused' // the other machine gave up, or its person said no
  | 'interfered' // something came that the other machine cannot have sent
  | 'half-paired' // this machine trusts the other; whether the other does is not known
  // Files
  | 'exists' // something of that name is there already and is not replaced
  | 'locked' // another process is at it
  | 'disk-full' // no room, or no more of the user's quota
  | 'content-changed' // a file is not what it was when it was offered
  | 'not-offered' // no peer offers anything of that name
  | 'push-refused' // the other side does not take what is pushed
  | 'integrity' // what arrived is not what was promised
  // The other side
  | 'unknown-command'
  | 'bad-arguments'
  | 'command-failed'
  | 'busy' // the other side has too much in progress for us
  | 'outcome-unknown' // it may or may not have been executed, and will not be again
  | 'failed'; // anything else

export class UdpToolError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(withoutSecretKeys(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'UdpToolError';
    this.code = code;
    this.hint = options.hint === undefined ? undefined : withoutSecretKeys(options.hint);
  }

  /** What `--json` prints. It holds no stack and no cause, so nothing but these three texts can leak through it. */
  toJSON(): { code: ErrorCode; message: string; hint?: string } {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
    };
  }
}

/**
 * The text without any secret key of udp-tool: one that was pasted where a name, a command or a table is wanted, and would
 * be repeated by whoever refuses it. {@link UdpToolError} does so with its texts.
 */
export function withoutSecretKeys(text: string): string {
  return text.replace(/UDP-SECRET-KEY-1[0-9A-Z]+/gi, '[secret key]');
}

/** An error that is for a peer and not for us. */
export function errorForPeer(
  code: ErrorCode,
  message: string,
  options: { cause?: unknown } = {},
): UdpToolError {
  return withoutStacks(() => new UdpToolError(code, message, options));
}

/**
 * Has the errors that are made meanwhile, for peers, be without a stack: to find one costs more than the rest of a
 * request, and a peer may make as many as it likes.
 */
export function withoutStacks<T>(action: () => T): T {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return action();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** What the file system said when this program was to `what`: an error of ours, where it is none yet. */
export function fileError(what: string, cause: unknown, hint: string): UdpToolError {
  if (cause instanceof UdpToolError) return cause;
  if (hasSystemCode(cause, 'ENOSPC', 'EDQUOT'))
    return new UdpToolError('disk-full', `Cannot ${what}: there is no room on the disk.`, { cause, hint });
  if (hasSystemCode(cause, 'EROFS'))
    return new UdpToolError('no-permission', `Cannot ${what}: the disk is read-only.`, { cause, hint });
  const code = hasSystemCode(cause, 'EACCES', 'EPERM') ? 'no-permission' : 'failed';
  const message = cause instanceof Error ? cause.message : String(cause);
  return new UdpToolError(code, `Cannot ${what}: ${message}`, { cause, hint });
}

/** True for the errors of Node that carry a `code` such as `EADDRINUSE`. */
export function hasSystemCode(error: unknown, ...codes: string[]): boolean {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code)
  );
}
