import { makeFolder } from '../durable-file.ts';
import { fileError, hasSystemCode, UdpToolError } from '../errors.ts';

const GO_ON = 'Make room, then try again: it goes on where it stopped.';

/** What the file system said when this program was to `what` in a folder. */
export function diskError(what: string, cause: unknown, folder: string): UdpToolError {
  if (hasSystemCode(cause, 'ENOSPC', 'EDQUOT')) return diskFull(what, folder, cause);
  if (hasSystemCode(cause, 'ENOENT', 'ENOTDIR')) {
    return new UdpToolError(
      'bad-usage',
      `Cannot ${what}: there is no such file or folder: ${pathOf(cause) ?? folder}`,
      {
        cause,
      },
    );
  }
  if (hasSystemCode(cause, 'EROFS')) {
    return new UdpToolError('no-permission', `Cannot ${what}: ${folder} is on a disk that is read-only.`, {
      cause,
    });
  }
  return fileError(what, cause, `May this user write in ${folder}?`);
}

function pathOf(error: unknown): string | undefined {
  return error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : undefined;
}

export function diskFull(what: string, folder: string, cause?: unknown): UdpToolError {
  return new UdpToolError('disk-full', `Cannot ${what}: there is no room in ${folder}.`, {
    cause,
    hint: GO_ON,
  });
}

/** Has what the file system refuses become an error of ours. */
export async function failing<T>(what: string, folder: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw diskError(what, cause, folder);
  }
}

/**
 * Makes a folder for files where there is none, and those above it.
 * @throws UdpToolError `bad-usage`, `disk-full`, `no-permission`, `failed`
 */
export function makeFilesFolder(path: string): Promise<void> {
  return failing('make the folder', path, () => makeFolder(path, 0o777));
}

/** For a `catch`: undefined for what is not there. */
export function unlessGone(error: unknown): undefined {
  if (hasSystemCode(error, 'ENOENT')) return undefined;
  throw error;
}
