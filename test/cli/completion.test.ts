/** Completion, as real shells do it. */
import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createEndpoint, defineCommand } from '../../src/index.ts';
import { Lab, LOOPBACK, MAIN, type Machine } from '../support/cli.ts';

const shells = new Map(
  ['bash', 'zsh', 'fish'].map((shell) => [shell, spawnSync(shell, ['-c', 'exit 0']).status === 0]),
);
const skipped = (shell: string): string => (shells.get(shell) ? '' : ` [skipped: no ${shell}]`);

/** A machine where `udp-tool` is a command, with the peers `nas` and `pi`. */
async function withCommand(lab: Lab) {
  const mac = await lab.machine('mac');
  for (const name of ['nas', 'pi']) await mac.trust(await lab.machine(name));
  const bin = join(mac.home, 'bin');
  await mkdir(bin);
  await mkdir(join(mac.home, 'folder one'));
  await mac.file('bin/udp-tool', `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`, 0o755);
  const env = { PATH: `${bin}:${process.env['PATH']}`, TERM: 'dumb' };
  const inShell = async (...argv: string[]): Promise<string> => {
    const [file = '', ...args] = argv;
    const program = mac.startFile({ env, input: '' }, file, ...args);
    return (await program.end()).stdout;
  };
  return { mac, inShell };
}

/** What each shell makes of a line: the same candidates. */
const LINES: readonly (readonly [line: string, candidates: readonly string[]])[] = [
  ['udp-tool key', ['keygen']],
  ['udp-tool peer re', ['remove', 'resume']],
  ['udp-tool send --to ', ['nas', 'pi']],
  ['udp-tool completion z', ['zsh']],
];

/** Of `send WORD`. A machine that has much to do may find no answer in a second: then it is asked again. */
async function candidatesOf(machine: Machine, word: string): Promise<string> {
  for (;;) {
    const { stdout } = await machine.run('complete -- send', word);
    if (stdout !== '') return stdout;
  }
}

describe.concurrent('completion', () => {
  test.skipIf(!shells.get('bash'))(`in bash${skipped('bash')}`, async () => {
    await using lab = await Lab.open();
    const { inShell } = await withCommand(lab);
    // Bash cuts the words itself, at = too, and puts them where a function of completion finds them.
    const script = `
      eval "$(udp-tool completion bash)"
      complete -p udp-tool
      try() { COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _udp_tool; echo "$(printf '%s\\n' "\${COMPREPLY[@]}" | sort | tr '\\n' ' ')"; }
      ${LINES.map(([line]) => `try ${line.endsWith(' ') ? `${line} ''` : line}`).join('\n')}
      try udp-tool send --to = p
      try udp-tool send --to =
      try udp-tool serve --keys ''
      echo end
    `;
    const [registered, ...found] = (await inShell('bash', '--norc', '-c', script)).trimEnd().split('\n');
    expect(registered).toBe('complete -F _udp_tool udp-tool');
    const expected = LINES.map(([, candidates]) => candidates.join(' '));
    expect(found.map((line) => line.trim())).toEqual([...expected, 'pi', 'nas pi', '', 'end']);
  });

  test.skipIf(!shells.get('fish'))(`in fish${skipped('fish')}`, async () => {
    await using lab = await Lab.open();
    const { inShell } = await withCommand(lab);
    const ask = (line: string): string => `complete -C '${line}'; echo ---`;
    const more = ['udp-tool send --to=p', 'udp-tool serve --keys fol'];
    const lines = [...LINES.map(([line]) => line), ...more];
    const script = `udp-tool completion fish | source\n${lines.map(ask).join('\n')}`;
    const found = (await inShell('fish', '--no-config', '-c', script)).split('---\n');
    const values = found.map((part) =>
      part
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split('\t')[0])
        .sort(),
    );
    expect(values.slice(0, -1)).toEqual([
      ...LINES.map(([, candidates]) => candidates),
      ['--to=pi'],
      ['folder one/'],
    ]);
  });

  test.skipIf(!shells.get('zsh'))(`in zsh, at a real prompt${skipped('zsh')}`, async () => {
    await using lab = await Lab.open();
    const { mac, inShell } = await withCommand(lab);
    // Keys are pressed in a shell within the shell; what it then has on its line, it writes down itself.
    const script = `
      zmodload zsh/zpty
      zpty z 'zsh -f -i'
      wait_for() { local all= part; while zpty -r z part; do all+=$part; [[ $all == *$1* ]] && return; done; exit 1 }
      zpty -w z 'PROMPT=; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D'
      zpty -w z 'eval "$(udp-tool completion zsh)"; note() { print -r -- "$BUFFER" >> ${mac.home}/lines; BUFFER=; zle -R; print NOTED; }; zle -N note; bindkey "^X" note; echo REA''DY'
      wait_for READY
      for line in 'udp-tool key' 'udp-tool send --to p' 'udp-tool send --to=p' 'udp-tool serve --keys fol'; do
        zpty -w -n z $line$'\\t\\x18'
        wait_for NOTED
      done
      cat ${mac.home}/lines
    `;
    expect(
      (await inShell('zsh', '-f', '-c', script))
        .trimEnd()
        .split('\n')
        .map((line) => line.trim()),
    ).toEqual([
      'udp-tool keygen',
      'udp-tool send --to pi',
      'udp-tool send --to=pi',
      'udp-tool serve --keys folder\\ one/',
    ]);
  });

  test('of "send" are the commands that the peer has for this machine', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    expect(await candidatesOf(mac, 'l')).toMatch(/^lucky\t\w.*\n$/);
    expect(await candidatesOf(mac, '')).toMatch(
      /^time\t.*\nlucky\t.*\nhelp\t.*\nping\t.*\nmsg\t.*\nmail\t.*\n$/,
    );
  });

  test('prints of what a peer sent only what can be the name of a command, and nothing that a terminal obeys', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await pi.trust(mac);
    const evil = [
      '--keys=/tmp',
      '$(reboot)',
      ':file',
      'a b',
      'a\nb',
      'A',
      '',
      '\u001b]0;x\u0007',
      'x'.repeat(65),
    ];
    const names = [...evil, 'good'].map((name) => ({
      name,
      summary: 'Red\u001b[31m\nand\ttwo lines',
      args: [],
      idempotent: true,
    }));
    const help = defineCommand({ name: 'help', summary: '', idempotent: true, run: () => names });
    await using endpoint = await createEndpoint({
      keyPair: await pi.store.loadKeyPair(),
      peers: await pi.store.loadPeers(),
      commands: [help],
      ip: LOOPBACK,
    });
    await mac.trust(pi, endpoint.addresses[0]?.port);
    expect(await candidatesOf(mac, '')).toBe('good\tRed\ufffd[31m and two lines\n');
  });

  test('of paths are left to the shell', async () => {
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    for (const line of ['share', 'push', 'get -o'])
      expect((await mac.run(`complete -- ${line}`, 'x')).stdout).toBe(':file\n');
    expect((await mac.run('complete -- serve --share', 'x')).stdout).toBe(':dir\n');
  });

  test('is silent where the peer does not answer, the key is not there, or the book is broken', async () => {
    await using lab = await Lab.open();
    const [pi, mac, blank] = [await lab.machine('pi'), await lab.machine('mac'), await lab.blank('blank')];
    await mac.trust(pi, (await lab.silentPort()).port);
    const silent = { code: 0, stdout: '', stderr: '' };
    const asked = await mac.run('complete -- send', '');
    expect(asked).toMatchObject(silent);
    expect(asked.ms).toBeGreaterThan(900); // it did ask
    expect(await blank.run('complete -- send', '')).toMatchObject(silent);
    await mac.writeBook('[mac\n');
    expect(await mac.run('complete -- send --to', '')).toMatchObject(silent);
    expect(await mac.run('complete -- frobnicate', '')).toMatchObject(silent);
  });

  test('of another key folder asks that one', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await mac.trust(pi, 1);
    const blank: Machine = await lab.blank('blank');
    expect((await blank.run('complete -- send --keys', mac.keys, '--to', '')).stdout).toBe(
      `pi\t${LOOPBACK}:1\n`,
    );
  });

  test('of a shell that is not known is a mistake', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    expect(await pi.run('completion tcsh')).toMatchObject({ code: 2, stdout: '' });
  });
});
