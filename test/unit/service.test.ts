import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { propertyList } from '../../src/service/launchd.ts';
import type { ServiceOptions, ServiceScope } from '../../src/service/manager.ts';
import { planInstallation, serviceManager } from '../../src/service/service.ts';
import { serviceUnit, socketUnit } from '../../src/service/systemd.ts';

const SERVICE: ServiceOptions = {
  name: 'udp-tool',
  node: '/usr/bin/node',
  script: '/opt/udp-tool/dist/cli/udp-tool.js',
  keys: '/etc/udp-tool',
  port: 9999,
  workers: 1,
  commands: [],
};

const has = (file: string, ...args: string[]): boolean => spawnSync(file, args).status === 0;
const hasAnalyze = has('systemd-analyze', '--version');
const hasPython = has('python3', '-c', 'import plistlib');

describe('the units of systemd', () => {
  test('run "serve" with what was asked for, by absolute paths', () => {
    const text = serviceUnit({ ...SERVICE, commands: ['/opt/a.toml', '/opt/b.mjs'] }, 'system');
    expect(text).toContain(
      '\nExecStart=/usr/bin/node /opt/udp-tool/dist/cli/udp-tool.js serve --keys /etc/udp-tool --commands /opt/a.toml --commands /opt/b.mjs\n',
    );
    expect(text).toContain('\nLoadCredential=udp-tool.secret.key:/etc/udp-tool/secret.key\n');
    expect(text).toContain('\nExecReload=kill -HUP $MAINPID\n');
    expect(text).toContain('\nRequires=udp-tool.socket\n');
  });

  test('have the port in the socket, on every address or on one', () => {
    expect(socketUnit(SERVICE)).toMatch(
      /^ListenDatagram=0\.0\.0\.0:9999\nListenDatagram=\[::\]:9999\nBindIPv6Only=ipv6-only$/m,
    );
    expect(socketUnit({ ...SERVICE, ip: '192.168.2.3', port: 5 })).toMatch(
      /^ListenDatagram=192\.168\.2\.3:5$/m,
    );
    expect(socketUnit({ ...SERVICE, ip: 'fe80::1%eth0' })).toContain('ListenDatagram=[fe80::1%%eth0]:9999\n');
  });

  test('have no socket with workers, who take the port themselves', () => {
    const service = { ...SERVICE, workers: 4, ip: '127.0.0.1' };
    expect(socketUnit(service)).toBeNull();
    const text = serviceUnit(service, 'user');
    expect(text).toContain(' --port 9999 --host 127.0.0.1 --workers 4\n');
    expect(text).not.toContain('.socket');
  });

  test.each<[ServiceScope, string[], string[]]>([
    [
      'system',
      ['DynamicUser=yes', 'CapabilityBoundingSet=', 'ProtectHome=yes', 'StateDirectory=udp-tool'],
      ['ReadWritePaths', 'WantedBy=default.target'],
    ],
    [
      'user',
      [
        'ProtectHome=read-only',
        'ReadWritePaths=-/etc/udp-tool/inbox',
        'ReadWritePaths=-/etc/udp-tool/outbox',
      ],
      ['DynamicUser', 'CapabilityBoundingSet', 'multi-user'],
    ],
  ])('of a %s keep the service from what it needs not', (scope, present, absent) => {
    const text = serviceUnit(SERVICE, scope);
    for (const line of [...present, 'NoNewPrivileges=yes', 'ProtectSystem=strict'])
      expect(text.split('\n')).toContain(line);
    for (const word of [...absent, 'MemoryDenyWriteExecute']) expect(text).not.toContain(word);
  });

  test('leave homes readable where something that the service needs is in one', () => {
    expect(serviceUnit({ ...SERVICE, keys: '/home/pi/keys' }, 'system')).toContain('ProtectHome=read-only\n');
    expect(serviceUnit({ ...SERVICE, keys: '/homestead' }, 'system')).toContain('ProtectHome=yes\n');
  });

  test.each(['node', 'script', 'keys'] as const)('refuse a line break in %s', (field) => {
    for (const character of ['\n', '\r', '\0', '\u0085']) {
      const service = { ...SERVICE, [field]: `/opt/a${character}ExecStartPre=/bin/evil` };
      expect(() => serviceUnit(service, 'user')).toThrowError(expect.objectContaining({ code: 'bad-usage' }));
      expect(() => propertyList(service, '/tmp/log')).toThrowError(
        expect.objectContaining({ code: 'bad-usage' }),
      );
    }
  });

  test.each(['a b', '../x', '', 'a.service', '-x', 'a\nb', 'x'.repeat(65)])(
    'refuse the name "%s"',
    async (name) => {
      const planned = planInstallation(serviceManager('user', 'linux'), { ...SERVICE, name });
      await expect(planned).rejects.toMatchObject({ code: 'bad-usage' });
    },
  );

  test('refuse port 0, which no peer could know', async () => {
    const planned = planInstallation(serviceManager('user', 'linux'), { ...SERVICE, port: 0 });
    await expect(planned).rejects.toMatchObject({ code: 'bad-usage' });
  });
});

describe.skipIf(!hasAnalyze)(
  `to systemd itself the units${hasAnalyze ? '' : ' [skipped: no systemd-analyze]'}`,
  () => {
    let dir = '';
    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'udp-tool-units-'));
    });
    afterAll(() => rm(dir, { recursive: true }));

    async function analyze(service: ServiceOptions, scope: ServiceScope, ...verb: string[]) {
      const socket = socketUnit(service);
      const files = [join(dir, `${service.name}.service`), join(dir, `${service.name}.socket`)] as const;
      await writeFile(files[0], serviceUnit(service, scope));
      await rm(files[1], { force: true });
      if (socket !== null) await writeFile(files[1], socket);
      const units = verb.includes('verify') && socket !== null ? files : files.slice(0, 1);
      const { status, stdout, stderr } = spawnSync('systemd-analyze', [...verb, ...units], {
        encoding: 'utf8',
        env: { ...process.env, SYSTEMD_UNIT_PATH: `${dir}:`, MANPATH: join(dir, 'man') },
      });
      return { status, output: `${stdout}${stderr}` };
    }

    /** What it says of our units, and not of those of the machine. */
    async function complaints(service: ServiceOptions, scope: ServiceScope): Promise<string[]> {
      const { output } = await analyze(service, scope, 'verify', '--man=no', '--recursive-errors=no');
      return output.split('\n').filter((line) => line.includes(service.name) || line.includes(dir));
    }

    /** A program that can be run, with what has a meaning in a unit in its path. */
    async function oddService(): Promise<ServiceOptions> {
      const odd = join(dir, `sp ace %n "quo'te" $HOME \\x41 ;`);
      const bin = join(dir, 'sp ace %n $HOME ;');
      for (const folder of [odd, bin]) await mkdir(folder, { recursive: true });
      const node = join(bin, 'node');
      await rm(node, { force: true });
      await symlink(process.execPath, node);
      return {
        ...SERVICE,
        name: 'odd',
        node,
        script: join(odd, 'a.js'),
        keys: odd,
        commands: [join(odd, 'c d.toml')],
      };
    }

    test.each<ServiceScope>(['system', 'user'])('of a %s are in order', async (scope) => {
      const service = { ...SERVICE, node: process.execPath };
      expect(await complaints(service, scope)).toEqual([]);
      expect(await complaints({ ...service, workers: 4 }, scope)).toEqual([]);
      expect(await complaints({ ...service, ip: '::1' }, scope)).toEqual([]);
    });

    test('are in order with blanks, quotes, percent signs and dollars in every path', async () => {
      const service = await oddService();
      expect(await complaints(service, 'system')).toEqual([]);
      // And it is looked: what is not there is found.
      expect(await complaints({ ...service, node: `${service.node}s` }, 'system')).not.toEqual([]);
    });

    test('of the system expose as little as Node allows', async () => {
      const { status, output } = await analyze(
        SERVICE,
        'system',
        'security',
        '--offline=true',
        '--threshold=15',
      );
      expect({ status, output }).toMatchObject({ status: 0 });
      const { status: tighter } = await analyze(
        SERVICE,
        'system',
        'security',
        '--offline=true',
        '--threshold=5',
      );
      expect(tighter).not.toBe(0);
    });
  },
);

describe('the property list of launchd', () => {
  const service = { ...SERVICE, keys: '/Users/a & b/<keys>', commands: ['/Users/x/"c".toml'] };

  test('runs "serve" with what was asked for', () => {
    const text = propertyList(service, '/Users/a & b/log');
    expect(text).toContain('<string>/Users/a &amp; b/&lt;keys&gt;</string>');
    expect(text).toContain('<string>9999</string>');
    expect(text).toContain('Written by "udp-tool service install"');
  });

  test.skipIf(!hasPython)(
    `is one to a reader of such lists${hasPython ? '' : ' [skipped: no python3]'}`,
    () => {
      const read = 'import plistlib, json, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))';
      const input = propertyList(service, '/Users/a & b/log');
      const { stdout } = spawnSync('python3', ['-c', read], { input, encoding: 'utf8' });
      expect(JSON.parse(stdout)).toMatchObject({
        Label: 'udp-tool',
        ProgramArguments: [
          '/usr/bin/node',
          SERVICE.script,
          'serve',
          '--keys',
          '/Users/a & b/<keys>',
          '--port',
          '9999',
          '--commands',
          '/Users/x/"c".toml',
        ],
        RunAtLoad: true,
        KeepAlive: { SuccessfulExit: false },
        Umask: 0o077,
        StandardErrorPath: '/Users/a & b/log',
      });
    },
  );

  test('belongs to the user or to the system', () => {
    const [agent, daemon] = (['user', 'system'] as const).map((scope) => serviceManager(scope, 'darwin'));
    expect(agent?.paths('x')[0]).toMatch(/\/Library\/LaunchAgents\/x\.plist$/);
    expect(daemon?.paths('x')).toEqual(['/Library/LaunchDaemons/x.plist']);
    expect(agent?.start(['/p'])).toEqual([
      ['launchctl', 'bootstrap', expect.stringMatching(/^gui\/\d+$/), '/p'],
    ]);
    expect(daemon?.stop(['/p'])).toEqual([['launchctl', 'bootout', 'system', '/p']]);
  });
});

describe('what the service manager says', () => {
  test('of systemd', () => {
    const { readStatus } = serviceManager('user', 'linux');
    const printed =
      'MainPID=123\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\n';
    expect(readStatus(printed, 0)).toEqual({
      installed: true,
      running: true,
      enabled: true,
      state: 'active (running)',
      pid: 123,
    });
    const none = 'MainPID=0\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n';
    expect(readStatus(none, 0)).toMatchObject({ installed: false, running: false, enabled: false });
    expect(readStatus('', 1)).toBeNull();
  });

  test('of launchd', () => {
    const { readStatus } = serviceManager('user', 'darwin');
    const printed = '{\n\t"LimitLoadToSessionType" = "Aqua";\n\t"Label" = "udp-tool";\n\t"PID" = 77;\n};\n';
    expect(readStatus(printed, 0)).toMatchObject({ installed: true, running: true, pid: 77 });
    const ended = '{\n\t"Label" = "udp-tool";\n\t"LastExitStatus" = 1280;\n};\n';
    expect(readStatus(ended, 0)).toMatchObject({ installed: true, running: false });
    expect(readStatus('', 113)).toMatchObject({ installed: false, running: false });
  });

  test('of another system is nothing', () => {
    expect(() => serviceManager('user', 'win32')).toThrowError(
      expect.objectContaining({ code: 'service-failed' }),
    );
  });
});
