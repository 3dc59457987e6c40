/**
 * Asks the registry whether anything is known against a dependency. What is known of one that runs fails; of one that only
 * builds or tests, it is told. A registry that does not answer such questions, as a mirror, is told too, and is no failure.
 */
import { spawnSync } from 'node:child_process';

function known(...options) {
  const { stdout } = spawnSync('npm', ['audit', '--json', ...options], { encoding: 'utf8', timeout: 60_000 });
  try {
    const { vulnerabilities } = JSON.parse(stdout);
    return vulnerabilities === undefined ? null : Object.values(vulnerabilities);
  } catch {
    return null;
  }
}

const say = (line) => process.stdout.write(`${line}\n`);
const [running, all] = [known('--omit=dev'), known()];
if (running === null || all === null) {
  say('The registry does not say what is known against the dependencies.');
} else {
  for (const { name, severity, range } of all) say(`${name} ${range}: ${severity}`);
  say(`Known against dependencies: ${running.length} that run, ${all.length} in all.`);
  process.exitCode = running.length > 0 ? 1 : 0;
}
