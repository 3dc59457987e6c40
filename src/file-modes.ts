/** Who else can read or change a file that this program trusts. */
import { stat } from 'node:fs/promises';
import { UdpToolError } from './errors.ts';

/** A folder such as /tmp, which belongs to everybody and must not be closed to them. */
export async function refuseIfShared(dir: string): Promise<void> {
  const { mode } = await stat(dir);
  if ((mode & STICKY) === 0) return;
  throw new UdpToolError('key-unsafe', `${dir} is shared by all users of this machine.`, {
    hint: 'Name a folder of your own with --keys DIR.',
  });
}

const STICKY = 0o1000;

/** @throws UdpToolError `key-unsafe` for a file that is not of this user or root, or has one of the forbidden mode bits */
export async function refuseIfOpen(path: string, forbidden: number, mend = '600'): Promise<void> {
  if (process.platform === 'win32') return; // no such bits there
  const { mode, uid } = await stat(path);
  if (uid !== process.getuid?.() && uid !== 0) {
    throw new UdpToolError('key-unsafe', `${path} belongs to another user of this machine.`, {
      hint: 'Name a folder of your own with --keys DIR; or, if that user is you, mend it with "chown".',
    });
  }
  if ((mode & forbidden) === 0) return;
  const can = (mode & forbidden & 0o044) !== 0 ? 'read' : 'change';
  throw new UdpToolError('key-unsafe', `Other users of this machine can ${can} ${path}.`, {
    hint: `Close it with "chmod ${mend} ${path}".`,
  });
}
