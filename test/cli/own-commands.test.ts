import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createEndpoint, UdpToolError } from '../../src/index.ts';
import { Lab, LOOPBACK, type Machine } from '../support/cli.ts';

const MODULE = `
export const greet = {
  summary: 'Says hello',
  args: [{ name: 'who', type: 'text', summary: 'Whom', pattern: '[A-Za-z]{1,20}', default: 'you' }],
  idempotent: true,
  run: ({ args, peer }) => \`Hello \${args.who}, says \${peer.name}\`,
};
export default [
  { name: 'throws', summary: 'Fails', run() { throw new Error('out of paper'); } },
  { name: 'rejects', summary: 'Fails later', async run() { throw new Error('out of ink'); } },
  { name: 'throws-null', summary: 'Fails oddly', run() { throw null; } },
  { name: 'hangs', summary: 'Never ends', run: () => new Promise(() => {}) },
  { name: 'large', summary: 'A megabyte', run: () => 'x'.repeat(1_000_000) },
  { name: 'cyclic', summary: 'Holds itself', run() { const a = []; a.push(a); return a; } },
  { name: 'dates', summary: 'Holds a date', run: () => ({ at: new Date() }) },
  { name: 'bytes', summary: 'Some bytes', run: () => Uint8Array.of(1, 2, 255) },
];
export const helper = () => 1;
`;

/** A pi that serves these files, and a mac that may call everything there. */
async function served(lab: Lab, files: Record<string, string>) {
  const pi = await lab.machine('pi');
  const mac = await lab.machine('mac');
  await pi.store.addPeer({ name: 'mac', publicKey: await mac.publicKey(), allow: ['*'] });
  const options: string[] = [];
  for (const [name, text] of Object.entries(files)) options.push('--commands', await pi.file(name, text));
  const { server, port } = await pi.serve(...options);
  await mac.trust(pi, port);
  return { pi, mac, server, port };
}

interface Answer {
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

/** What `send` answered, as JSON. */
async function sent(machine: Machine, ...words: string[]): Promise<Answer> {
  const { stdout } = await machine.run('send --json', ...words);
  return JSON.parse(stdout);
}

/** What the server answers, without a start of `send` for each question. */
async function ask(machine: Machine, command: string, ...args: string[]): Promise<Answer> {
  const { store } = machine;
  const [keyPair, peers] = [await store.loadKeyPair(), await store.loadPeers()];
  await using endpoint = await createEndpoint({ keyPair, peers, commands: [], ip: LOOPBACK });
  try {
    const { value } = await endpoint.peer('pi').request(command, args);
    return { value };
  } catch (error) {
    if (!(error instanceof UdpToolError)) throw error;
    return { error };
  }
}

describe.concurrent('commands of a module', () => {
  test('are listed and called like those that come with udp-tool', async () => {
    await using lab = await Lab.open();
    const { mac } = await served(lab, { 'commands.mjs': MODULE });
    const { stdout } = await mac.run('send help');
    expect(stdout).toMatch(/^greet \[who\] +Says hello$/m);
    expect(stdout).toMatch(/^time /m);
    expect(await sent(mac, 'greet')).toMatchObject({ value: 'Hello you, says mac' });
    expect(await sent(mac, 'greet', 'Ada')).toMatchObject({ value: 'Hello Ada, says mac' });
    expect(await sent(mac, 'greet', 'Ada;ls')).toMatchObject({ error: { code: 'bad-arguments' } });
  });

  test('whose errors reach the caller as one sentence, while the server goes on', async () => {
    await using lab = await Lab.open();
    const { mac, server } = await served(lab, { 'commands.mjs': MODULE });
    const message = async (name: string): Promise<unknown> => (await ask(mac, name)).error;
    expect(await message('throws')).toMatchObject({ code: 'command-failed', message: 'out of paper' });
    expect(await message('rejects')).toMatchObject({ code: 'command-failed', message: 'out of ink' });
    expect(await message('throws-null')).toMatchObject({ code: 'command-failed' });
    expect(await message('large')).toMatchObject({ code: 'too-large' });
    expect(await message('cyclic')).toMatchObject({ code: 'command-failed' });
    expect(await message('dates')).toMatchObject({ code: 'command-failed' });
    const hanging = JSON.parse((await mac.run('send --json --timeout 1 hangs')).stdout);
    expect(hanging.error).toMatchObject({
      code: 'no-answer',
      message: '"hangs" is still running on the other side.',
    });
    expect(await sent(mac, 'throws')).toMatchObject({ error: { message: 'out of paper' } });
    expect(await sent(mac, 'bytes')).toMatchObject({ value: 'AQL/' });
    expect((await server.stop()).code).toBe(0);
  });

  test('are not for a peer that was not allowed them', async () => {
    await using lab = await Lab.open();
    const { pi, mac, port } = await served(lab, { 'commands.mjs': MODULE });
    const nas = await lab.machine('nas');
    await pi.trust(nas);
    await nas.trust(pi, port);
    expect(await mac.run('send greet')).toMatchObject({ code: 0 });
    expect(await nas.run('send greet')).toMatchObject({ code: 3 });
    expect((await nas.run('send help')).stdout).not.toContain('greet');
  });

  test('may take the place of time, and of nothing twice, and not of help', async () => {
    await using lab = await Lab.open();
    const { pi, mac } = await served(lab, {
      'commands.mjs': `export const time = { summary: 'Mine', run: () => 'now' };`,
    });
    expect(await ask(mac, 'time')).toMatchObject({ value: 'now' });
    const help = await pi.file('help.mjs', `export const help = { summary: 'Mine', run: () => 1 };`);
    expect((await pi.run('serve --port 0 --commands', help)).stderr).toContain('defines "help"');
    const twice = ['a.mjs', 'b.mjs'].map((name) =>
      pi.file(name, `export const x = { summary: '', run: () => 1 };`),
    );
    const [a, b] = (await Promise.all(twice)) as [string, string];
    const { code, stderr } = await pi.run('serve --port 0 --commands', a, '--commands', b);
    expect(code).toBe(2);
    expect(stderr).toContain('Two files define the command "x"');
  });
});

describe.concurrent('a file of commands that cannot be used says why, and nothing is served', () => {
  const cases: [what: string, name: string, text: string | null, says: RegExp, mode?: number][] = [
    ['is not there', 'gone.mjs', null, /gone\.mjs cannot be read/],
    ['is of no kind', 'commands.txt', '', /neither a module nor a table/],
    ['is no JavaScript', 'x.mjs', 'export const', /x\.mjs cannot be loaded: /],
    ['imports what is not there', 'x.mjs', `import 'udp-toool';`, /cannot be loaded: .*udp-toool/],
    ['has no command', 'x.mjs', 'export const a = 1;', /defines no command/],
    ['has a command without summary', 'x.mjs', 'export const a = { run() {} };', /"a" has no summary/],
    [
      'has a name that cannot be typed',
      'x.mjs',
      `export const A = { summary: '', run() {} };`,
      /"A" cannot be/,
    ],
    ['can be changed by others', 'x.mjs', MODULE, /Other users .* can change/, 0o666],
    ['is no TOML', 'x.toml', '[a', /x\.toml: line 1/],
    ['names no program', 'x.toml', '[a]\nsummary = ""\nrun = []', /\[a\] should have `run/],
    ['names a program by half', 'x.toml', '[a]\nsummary = ""\nrun = ["ls"]', /absolute path/],
    [
      'names no program that is there',
      'x.toml',
      '[a]\nsummary = ""\nrun = ["/no/such"]',
      /no program that can be started/,
    ],
    [
      'has a field too many',
      'x.toml',
      '[a]\nsummary = ""\nrun = ["/bin/ls"]\nshell = true',
      /unknown field "shell"/,
    ],
    [
      'places what is not declared',
      'x.toml',
      '[a]\nsummary = ""\nrun = ["/bin/ls", "{dir}"]',
      /places \{dir\}/,
    ],
    [
      'declares what is not placed',
      'x.toml',
      '[a]\nsummary = ""\nrun = ["/bin/ls"]\n[[a.args]]\nname = "dir"\nsummary = ""\npattern = ".*"',
      /places its argument \{dir\} nowhere/,
    ],
    [
      'has an argument without a pattern',
      'x.toml',
      '[a]\nsummary = ""\nrun = ["/bin/ls", "{dir}"]\n[[a.args]]\nname = "dir"\nsummary = ""',
      /"dir" has no pattern/,
    ],
    [
      'has a pattern that is none',
      'x.toml',
      '[a]\nsummary = ""\nrun = ["/bin/ls", "{dir}"]\n[[a.args]]\nname = "dir"\nsummary = ""\npattern = "("',
      /no regular expression/,
    ],
  ];

  test.each(cases)('one that %s', async (_what, name, text, says, mode = 0o600) => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const path = text === null ? join(pi.home, name) : await pi.file(name, text, mode);
    const { code, stdout, stderr } = await pi.run('serve --port 0 --commands', path);
    expect(stderr).toMatch(says);
    expect(stdout).toBe('');
    expect([2, 5]).toContain(code);
  });
});

const ECHO = `
[say]
summary = "Prints its arguments, one a line"
run = ["/usr/bin/printf", "%s\\\\n", "{text}", "more={text}", "{extra}"]
idempotent = true
[[say.args]]
name = "text"
summary = "Anything"
pattern = "[\\\\s\\\\S]*"
[[say.args]]
name = "extra"
summary = "May be left away"
pattern = "-?[0-9]+"
optional = true
dashes = true

[environment]
summary = "Its environment"
run = ["/usr/bin/env"]
env = { LANG = "C", WHO = "me" }

[where]
summary = "Its folder"
run = ["/bin/pwd"]

[numbers]
summary = "Prints JSON"
run = ["/usr/bin/printf", "{\\"celsius\\": 48.5}"]
output = "json"

[binary]
summary = "No text"
run = ["/usr/bin/printf", "\\\\377"]

[slow]
summary = "Sleeps too long"
run = ["/bin/sh", "-c", "sleep 100 & sleep 100"]
timeout = 0.3

[chatty]
summary = "Never stops"
run = ["/usr/bin/yes"]
max-output = 100

[fails]
summary = "Fails"
run = ["/bin/sh", "-c", "echo no paper >&2; exit 3"]

[busy]
summary = "One at a time"
run = ["/bin/sleep", "{for}"]
at-once = 1
[[busy.args]]
name = "for"
summary = "Seconds"
pattern = "[0-9]"
`;

test('the examples of docs/commands.md do what it says', async () => {
  await using lab = await Lab.open();
  const text = await readFile(new URL('../../docs/commands.md', import.meta.url), 'utf8');
  const block = (language: string): string =>
    new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(text)?.[1] ?? expect.fail(language);
  const { mac } = await served(lab, { 'commands.mjs': block('js'), 'commands.toml': block('toml') });
  expect(await ask(mac, 'greet', 'Ada')).toMatchObject({ value: 'Hello Ada, says mac' });
  expect(await ask(mac, 'free')).toMatchObject({ value: expect.stringMatching(/ \/$/) });
  expect(await ask(mac, 'free', '/tmp')).toMatchObject({ value: expect.any(String) });
  expect(await ask(mac, 'free', '/; ls')).toMatchObject({ error: { code: 'bad-arguments' } });
});

describe.concurrent('programs bound to names', () => {
  test('get their arguments as they were given, and no shell sees them', async () => {
    await using lab = await Lab.open();
    const { pi, mac } = await served(lab, { 'commands.toml': ECHO });
    const canary = join(pi.home, 'canary');
    const texts = [
      'plain',
      `"; touch ${canary}; "`,
      `$(touch ${canary})`,
      `\`touch ${canary}\``,
      `' | touch ${canary} '`,
      'two\nlines\r\nand a tab\t',
      '  blanks  ',
      '',
      '{extra}',
      '*',
      'ü 日本 🙂',
      'x'.repeat(900),
    ];
    for (const text of texts) {
      expect(await ask(mac, 'say', text)).toMatchObject({ value: `${text}\nmore=${text}` });
    }
    for (const text of ['two\nlines\r\nand a tab\t', '  blanks  ', '', `"; $(touch ${canary}); "`]) {
      expect(await sent(mac, 'say', text)).toMatchObject({ value: `${text}\nmore=${text}` });
    }
    expect(await readdir(pi.home)).not.toContain('canary');
  });

  test('do not get what could be taken for an option, what holds NUL, or what is too long', async () => {
    await using lab = await Lab.open();
    const { mac } = await served(lab, { 'commands.toml': ECHO });
    expect(await sent(mac, 'say', '--', '--version')).toMatchObject({ error: { code: 'bad-arguments' } });
    expect(await ask(mac, 'say', 'x', '5')).toMatchObject({ value: 'x\nmore=x\n5' });
    expect(await sent(mac, '--', 'say', 'x', '-5')).toMatchObject({ value: 'x\nmore=x\n-5' });
    expect(await ask(mac, 'say', 'x', '5; ls')).toMatchObject({ error: { code: 'bad-arguments' } });
    expect(await ask(mac, 'say', 'x'.repeat(100_000))).toMatchObject({ error: { code: 'too-large' } });
    expect(await ask(mac, 'say', 'a\0b')).toMatchObject({ error: { code: 'bad-arguments' } });
  });

  test('have an environment and a folder of their own', async () => {
    await using lab = await Lab.open();
    const { mac } = await served(lab, { 'commands.toml': ECHO });
    const { value } = await ask(mac, 'environment');
    expect(String(value).split('\n').sort()).toEqual(['LANG=C', 'WHO=me']);
    expect(await ask(mac, 'where')).toMatchObject({ value: '/' });
  });

  test('answer with text, bytes or JSON', async () => {
    await using lab = await Lab.open();
    const { mac } = await served(lab, { 'commands.toml': ECHO });
    expect(await sent(mac, 'numbers')).toMatchObject({ value: { celsius: 48.5 } });
    expect(await sent(mac, 'binary')).toMatchObject({ value: '/w==' });
  });

  test('that take too long, print too much or fail are an error, and leave nothing behind', async () => {
    await using lab = await Lab.open();
    const { mac, server } = await served(lab, { 'commands.toml': ECHO });
    expect((await ask(mac, 'slow')).error).toMatchObject({
      code: 'command-failed',
      message: '"slow" took longer than 0.3 s.',
    });
    expect((await ask(mac, 'chatty')).error).toMatchObject({
      code: 'too-large',
      message: '"chatty" printed more than 100 bytes.',
    });
    expect((await ask(mac, 'fails')).error).toMatchObject({
      code: 'command-failed',
      message: '"fails" ended with code 3: no paper',
    });
    const children = await readFile(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').catch(
      () => '',
    );
    expect(children.trim()).toBe('');
  });

  test('run so many at once and no more', async () => {
    await using lab = await Lab.open();
    const { mac } = await served(lab, { 'commands.toml': ECHO });
    // Longer than a slow machine takes to ask again; it may itself be the one that is told "busy".
    const start = (): void => {
      isRunning = true;
      mac.start('send busy 8').finished.then(() => {
        isRunning = false;
      });
    };
    let isRunning = false;
    for (;;) {
      if (!isRunning) start();
      const { error } = await sent(mac, 'busy', '0');
      if (error?.code === 'busy') break;
    }
  });

  test('are refused to whom they are not allowed', async () => {
    await using lab = await Lab.open();
    const { pi, port } = await served(lab, { 'commands.toml': ECHO });
    const nas = await lab.machine('nas');
    await pi.trust(nas);
    await nas.trust(pi, port);
    expect(await ask(nas, 'where')).toMatchObject({ error: { code: 'unknown-command' } });
  });
});
