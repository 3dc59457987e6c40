/** An sshd for this user and a key of this run alone: nothing of the user's own ssh is read or written. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const SSHD = '/usr/sbin/sshd';

/** Null where it is installed, else how to install it. */
export function missingSshd() {
  return existsSync(SSHD) ? null : 'apt-get install openssh-server';
}

/**
 * The process, which the caller ends; and for a client the options (`ssh` and `scp` have these in common) and whom to
 * ask. Keys and configuration go into the folder; the launcher is what programs of the machine that serves start by.
 */
export async function startSshd(folder, host, port, launcher = []) {
  const at = (name) => join(folder, name);
  for (const name of ['host', 'user']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
  }
  const config = [
    `Port ${port}`,
    `ListenAddress ${host}`,
    `HostKey ${at('host')}`,
    `AuthorizedKeysFile ${at('user.pub')}`,
    `PidFile ${at('pid')}`,
    'Subsystem sftp internal-sftp',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
  ];
  writeFileSync(at('config'), `${config.join('\n')}\n`);
  chmodSync(at('user'), 0o600);
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true }); // Debian's service would make it
  const [file, ...args] = [...launcher, SSHD, '-D', '-e', '-f', at('config')];
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  await Promise.race([once(createInterface({ input: child.stderr }), 'line'), once(child, 'exit')]);
  child.stderr.unref(); // whoever serves a connection has it too, and may end later
  const settings = {
    StrictHostKeyChecking: 'no',
    UserKnownHostsFile: '/dev/null',
    IdentityAgent: 'none',
    BatchMode: 'yes',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  return {
    child,
    options: ['-F', '/dev/null', '-i', at('user'), ...options, '-o', `Port=${port}`],
    destination: `${userInfo().username}@${host}`,
  };
}

/** sshd cannot be asked for any free port. */
export async function freePort(host) {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
