import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { generateKeyPair, LastSeen } from '../../src/index.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

const pi = generateKeyPair().publicKey;
const mac = generateKeyPair().publicKey;
const never = (text: string): void => expect.fail(text);

const addresses = (seen: LastSeen, key = pi): string[] => seen.of(key).map(({ address }) => address.ip);

describe('where peers were seen', () => {
  test('is there for the next process: the newest first, each once, four at most', async () => {
    await using folder = await TemporaryFolder.make();
    const seen = await LastSeen.open(folder.path, never);
    vi.useFakeTimers({ toFake: ['Date'] });
    for (const last of [1, 2, 3, 4, 5, 2]) {
      seen.saw(pi, { ip: `192.168.2.${last}`, port: 9999 });
      vi.setSystemTime(Date.now() + 1_000);
    }
    vi.useRealTimers();
    seen.saw(mac, { ip: 'fd00::7', port: 1 });
    await seen.flush();
    const next = await LastSeen.open(folder.path, never);
    expect(addresses(next)).toEqual(['192.168.2.2', '192.168.2.5', '192.168.2.4', '192.168.2.3']);
    expect(next.of(mac)[0]?.address).toEqual({ ip: 'fd00::7', port: 1 });
    expect(await readdir(folder.path)).toEqual(['seen.json']);
  });

  test('by two processes at once is kept of both', async () => {
    await using folder = await TemporaryFolder.make();
    const [one, other] = [await LastSeen.open(folder.path, never), await LastSeen.open(folder.path, never)];
    one.saw(pi, { ip: '192.168.2.1', port: 9999 });
    other.saw(mac, { ip: '192.168.2.3', port: 9999 });
    await one.flush();
    await other.flush();
    const next = await LastSeen.open(folder.path, never);
    expect([addresses(next), addresses(next, mac)]).toEqual([['192.168.2.1'], ['192.168.2.3']]);
  });

  test('through a relay is nowhere', async () => {
    await using folder = await TemporaryFolder.make();
    const seen = await LastSeen.open(folder.path, never);
    seen.saw(pi, { ip: 'relay-3-77', port: 1 });
    await seen.flush();
    expect(await readdir(folder.path)).toEqual([]);
  });

  test.each([
    ['', 'Unexpected end'],
    ['[]x', 'JSON'],
    ['null', 'no object'],
    ['{"udp1": 7}', 'no list'],
    ['{"udp1": [{"address": "1.2.3.4:5", "at": "soon"}]}', 'an entry is not'],
    ['{"udp1": [{"address": "example.org:5", "at": "2026-01-01"}]}', 'no address of a machine'],
    ['{"udp1": [null]}', ''],
  ])('%s is ignored, and said', async (text, why) => {
    await using folder = await TemporaryFolder.make();
    await writeFile(join(folder.path, 'seen.json'), text);
    const said: string[] = [];
    const seen = await LastSeen.open(folder.path, (line) => said.push(line));
    expect(said).toEqual([expect.stringContaining('tells nothing, and is ignored')]);
    expect(said[0]).toContain(why);
    expect(seen.of(pi)).toEqual([]);
    seen.saw(pi, { ip: '192.168.2.1', port: 9999 });
    await seen.flush();
    expect(JSON.parse(await readFile(join(folder.path, 'seen.json'), 'utf8'))).toHaveProperty(pi.toString());
  });

  test('that cannot be kept is said', async () => {
    const said: string[] = [];
    const seen = await LastSeen.open('/proc/nowhere', (line) => said.push(line));
    seen.saw(pi, { ip: '192.168.2.1', port: 9999 });
    await seen.flush();
    expect(said).toEqual([expect.stringContaining('Where peers were seen is not kept')]);
  });
});
