/** What comes from elsewhere: each package by its hash, none by a script, and nothing secret in what is published. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { SecretKey } from '../../src/crypto/keys.ts';

const run = promisify(execFile);

interface Package {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly link?: boolean;
  readonly inBundle?: boolean;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Manifest extends Package {
  readonly scripts: Readonly<Record<string, string>>;
}

const manifest: Manifest = JSON.parse(await readFile('package.json', 'utf8'));
const lock: {
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, Package>>;
} = JSON.parse(await readFile('package-lock.json', 'utf8'));
const installed = Object.entries(lock.packages).filter(([path]) => path !== '');

/** Packages that have a script for their installation, and why it need not run. */
const WITH_SCRIPT: Readonly<Record<string, string>> = {
  'cbor-extract': 'builds native code that is never loaded',
  esbuild: 'looks whether the program for this machine is there, which is a package of its own',
};

/** Licences of what only builds and tests; those of what runs are in SECURITY.md. */
const LICENCES = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'MPL-2.0',
];

const nameOf = (path: string): string =>
  path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

describe('the lock file', () => {
  test('has a hash of every package, and takes none from elsewhere than the registry', () => {
    expect(lock.lockfileVersion).toBe(3);
    expect(installed.length).toBeGreaterThan(100);
    const wrong = installed.filter(
      ([, { integrity = '', resolved, link, inBundle }]) =>
        !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity) ||
        // Without an address, what the registry or a mirror of it gives has to have that hash.
        (resolved !== undefined && !resolved.startsWith('https://registry.npmjs.org/')) ||
        link === true ||
        inBundle === true,
    );
    expect(wrong.map(([path]) => path)).toEqual([]);
  });

  test('has no package whose script has to run', async () => {
    const names = new Set(
      installed.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameOf(path)),
    );
    expect([...names].sort()).toEqual(Object.keys(WITH_SCRIPT).sort());
    for (const file of ['.ci/run', 'SECURITY.md'])
      expect(await readFile(file, 'utf8')).toContain('npm ci --ignore-scripts');
  });

  test('has packages of licences that let us use them so', () => {
    const wrong = installed.filter(([, { license = '' }]) =>
      license
        .replace(/[()]/g, '')
        .split(' OR ')
        .every((one) => !LICENCES.includes(one)),
    );
    expect(wrong.map(([path, { license }]) => `${path} ${license}`)).toEqual([]);
  });
});

describe('what runs', () => {
  /** Where Node finds it from the package at `path`. */
  const find = (name: string, path: string): string => {
    for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
      const candidate = `${at}${at === '' ? '' : '/'}node_modules/${name}`;
      if (lock.packages[candidate] !== undefined) return candidate;
      if (at === '') throw new Error(`${name} of ${path} is not in the lock file`);
    }
  };

  const reachable = (path: string, seen: Set<string>): Set<string> => {
    const { dependencies = {}, optionalDependencies = {} } = lock.packages[path] as Package;
    for (const name of [...Object.keys(dependencies), ...Object.keys(optionalDependencies)]) {
      const found = find(name, path);
      if (seen.has(found)) continue;
      seen.add(found);
      reachable(found, seen);
    }
    return seen;
  };

  test('is what SECURITY.md lists, with its licences', async () => {
    const table = (await readFile('SECURITY.md', 'utf8')).matchAll(/^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$/gm);
    const listed = [...table]
      .filter(([, names]) => names !== 'package')
      .flatMap(([, names = '', licence]) => names.split(', ').map((name) => `${name} ${licence}`));
    const runs = [...reachable('', new Set())].map(
      (path) => `${nameOf(path)} ${lock.packages[path]?.license}`,
    );
    // The builds of cbor-extract, a package for each kind of machine.
    const named = runs.filter((name) => !name.startsWith('@cbor-extract/cbor-extract-'));
    expect(named.sort()).toEqual(listed.sort());
  });

  test('is asked for in one version each', () => {
    const asked = { ...manifest.dependencies, ...manifest.optionalDependencies };
    expect(Object.values(asked).filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    for (const [name, version] of Object.entries(asked))
      expect(lock.packages[`node_modules/${name}`]?.version).toBe(version);
  });

  test('has no native code loaded', async () => {
    const script = `
      await import('./dist/index.js');
      const { sharedObjects } = process.report.getReport();
      console.log(JSON.stringify(sharedObjects.filter((path) => path.endsWith('.node'))));`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
    expect(JSON.parse(stdout)).toEqual([]);
  });
});

describe('what is published', () => {
  test('has no script that runs where it is installed', () => {
    const atInstallation = ['preinstall', 'install', 'postinstall', 'preprepare', 'postprepare'];
    expect(Object.keys(manifest.scripts).filter((name) => atInstallation.includes(name))).toEqual([]);
    // At a checkout's own `npm install`, and at publishing.
    expect(manifest.scripts['prepare']).toBe('npm run build');
  });

  test('holds no secret, no test, and nothing of the key folder but its explanation', async () => {
    const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      maxBuffer: 2 ** 24,
    });
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['package.json', 'SECURITY.md', 'dist/cli/udp-tool.js']));
    const top = new Set(paths.map((path) => path.split('/')[0]));
    expect(
      [...top].filter((name) => !/^(dist|docs|keys|package\.json|LICENSE|[A-Z]+\.md)$/.test(`${name}`)),
    ).toEqual([]);
    expect(paths.filter((path) => path.startsWith('keys/'))).toEqual(['keys/README.md']);
    expect(paths.filter((path) => path.includes('.test.'))).toEqual([]);
    // What is code may speak of secrets in its name.
    const notCode = paths.filter((path) => !/^dist\/.*\.(js|d\.ts)$/.test(path));
    expect(notCode.filter((path) => /secret|\.key$|psk|\.pem$|peers\.toml|\.env|\.npmrc/.test(path))).toEqual(
      [],
    );
    // The one of PROTOCOL.md's worked example, which is 32 times the same byte.
    const isExample = (text: string): boolean => new Set(SecretKey.parse(text).expose()).size === 1;
    for (const path of paths) {
      const text = await readFile(path, 'latin1');
      const keys = text.match(/UDP-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}\b/gi) ?? [];
      expect(
        keys.filter((key) => !isExample(key)),
        path,
      ).toEqual([]);
      expect(text, path).not.toMatch(/-----BEGIN [A-Z ]*PRIVATE KEY-----/);
    }
  });
});
