/** What several peers need: the request's size, npm packages that may be missing, a certificate. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HOST } from '../socket.mjs';

/** What a request says, and an answer; the first two bytes hold the slot where nothing else names the request. */
export const CONTENT_BYTES = 24;

export const exec = promisify(execFile);

/** Null when the attempt succeeds, else the advice. */
export async function adviceUnless(attempt, advice) {
  try {
    await attempt();
    return null;
  } catch {
    return advice;
  }
}

/** Null when all these packages can be imported, else how to install them. */
export function missingPackages(...packages) {
  const named = packages.map(([name, version]) => `${name}@${version}`).join(' ');
  return adviceUnless(
    () => Promise.all(packages.map(([name]) => import(name))),
    `npm install --no-save ${named}`,
  );
}

/** Null when the command runs, else how to install it. */
export function missingCommand(command, args, debianPackage) {
  return adviceUnless(() => exec(command, args), `apt-get install ${debianPackage}`);
}

/** A self-signed certificate and its key, in a folder that the caller removes. */
export async function makeCertificate() {
  const folder = await mkdtemp(join(tmpdir(), 'udp-tool-bench-'));
  const certificate = join(folder, 'certificate.pem');
  const key = join(folder, 'key.pem');
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await exec('openssl', [
      ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost'.split(
        ' ',
      ),
      ...['-addext', `subjectAltName=IP:${HOST}`, '-keyout', key, '-out', certificate],
    ]);
  } catch (error) {
    await remove();
    throw error;
  }
  return { folder, certificate, key, remove };
}
