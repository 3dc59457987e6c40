/** ICMP echo by the system's program `ping`: a process without privileges has no such socket. */
import { spawn } from 'node:child_process';
import { isIPv6Address } from '../session/address.ts';

/** `unknown`: there is no such program, or it may not, or it does not know the options. */
export type EchoResult = 'answered' | 'silent' | 'unknown';

const MAC = process.platform === 'darwin';
/** Two, since one may be lost by chance; the second so many seconds after the first. */
const ECHOES = ['-n', '-c', '2', '-i', '0.2'];
const DO_NOT_FRAGMENT = MAC ? ['-D'] : ['-M', 'do'];
/** Interrupted, it has so long to print its count. */
const LAST_WORDS_MS = 200;

/**
 * @param payload bytes behind the ICMP header, which is as long as that of UDP; then nothing on the way may fragment it
 * @param waitMs how long to wait
 */
export function echo(ip: string, payload: number | null, waitMs: number): Promise<EchoResult> {
  const size = payload === null ? [] : [...DO_NOT_FRAGMENT, '-s', String(payload)];
  const program = MAC && isIPv6Address(ip) ? 'ping6' : 'ping';
  return new Promise((done) => {
    const child = spawn(program, [...ECHOES, ...size, ip], {
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    const timers = [
      setTimeout(() => child.kill('SIGINT'), waitMs),
      setTimeout(() => child.kill('SIGKILL'), waitMs + LAST_WORDS_MS),
    ];
    const finish = (): void => {
      for (const timer of timers) clearTimeout(timer);
      const count = /(\d+) (?:packets )?received/.exec(printed)?.[1];
      if (count === undefined) done('unknown');
      else done(Number(count) > 0 ? 'answered' : 'silent');
    };
    child.on('error', finish);
    child.on('close', finish);
  });
}
