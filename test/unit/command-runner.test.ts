import { afterEach, describe, expect, test, vi } from 'vitest';
import { CommandRunner } from '../../src/command-runner.ts';
import { defineCommand, generateKeyPair } from '../../src/index.ts';
import { RemotePeer } from '../../src/remote-peer.ts';
import { MAX_REQUEST_MS } from '../../src/rpc/constants.ts';
import type { CommandResult } from '../../src/rpc/request-server.ts';
import { random } from '../../src/transport/random.ts';

const peer = new RemotePeer({ name: 'mac', publicKey: generateKeyPair().publicKey }, undefined, {
  resolve: () => expect.fail(),
  request: () => expect.fail(),
  probe: () => expect.fail(),
  remove: () => expect.fail(),
  ask: () => {
    throw new Error('not asked');
  },
  roundTripMs: () => null,
  hasAddress: () => false,
  reach: () => expect.fail(),
  path: () => null,
  suggest: () => expect.fail(),
});

describe('a command that does not end', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('is told so and given up once nobody can ask for its answer any more', async () => {
    vi.useFakeTimers();
    let aborted = false;
    let finish = (_value: string): void => {};
    const slow = defineCommand({
      name: 'slow',
      summary: '',
      idempotent: false,
      run: ({ signal }) => {
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        return new Promise<string>((done) => {
          finish = done;
        });
      },
    });
    const results: CommandResult[] = [];
    new CommandRunner(new AbortController().signal, random).run(slow, {}, peer, (result) =>
      results.push(result),
    );
    await vi.advanceTimersByTimeAsync(MAX_REQUEST_MS - 1);
    expect([results.length, aborted]).toEqual([0, false]);
    await vi.advanceTimersByTimeAsync(1);
    expect(aborted).toBe(true);
    expect(results).toMatchObject([{ ok: false, error: { code: 'command-failed' } }]);
    finish('too late');
    await vi.advanceTimersByTimeAsync(1);
    expect(results).toHaveLength(1);
  });
});
