import { describe, expect, test } from 'vitest';
import { defineCommand } from '../../src/index.ts';
import { portOf, startClient, startServer } from '../support/endpoints.ts';

const inner = defineCommand({ name: 'inner', summary: '', idempotent: true, run: () => 'INNER' });
const outer = defineCommand({
  name: 'outer',
  summary: '',
  args: [{ name: 'any', type: 'text', summary: '', optional: true }],
  idempotent: true,
  run: () => 'OUTER',
});
const silent = defineCommand({
  name: 'silent',
  summary: '',
  idempotent: true,
  run: () => new Promise<never>(() => {}),
});

describe('a request', () => {
  test('whose arguments ask something as they are read keeps its own answer', async () => {
    await using server = await startServer([inner, outer]);
    await using client = await startClient(portOf(server));
    const peer = client.peer('server');
    await peer.request('inner');
    let nested: Promise<unknown> | undefined;
    const args: string[] = [];
    Object.defineProperty(args, 0, {
      enumerable: true,
      get() {
        nested ??= peer.request('inner').then(({ value }) => value);
        return 'text';
      },
    });
    expect((await peer.request('outer', args)).value).toBe('OUTER');
    expect(await nested).toBe('INNER');
  });

  test('that is aborted at any moment ends as aborted', async () => {
    await using server = await startServer([silent]);
    for (let hops = 0; hops < 12; hops++) {
      await using client = await startClient(portOf(server));
      const controller = new AbortController();
      const request = client
        .peer('server')
        .request('silent', [], { timeoutMs: 2_000, signal: controller.signal });
      const ended = request.catch((error: { code: string }) => error.code);
      for (let i = 0; i < hops; i++) await null;
      controller.abort();
      expect(await ended).toBe('aborted');
    }
  });

  test('with options that cannot be read is rejected, and does not throw', async () => {
    await using server = await startServer([inner]);
    await using client = await startClient(portOf(server));
    const request = client.peer('server').request('inner', [], null as never);
    await expect(request).rejects.toBeInstanceOf(TypeError);
  });
});
