/** What the compiler must accept and refuse; `npm run types` is what runs it. */
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  type Answer,
  defineCommand,
  generateKeyPair,
  type PublicKey,
  type RemotePeer,
  type SecretKey,
  UdpToolError,
} from '../../src/index.ts';

describe('defineCommand', () => {
  test('arguments have the types that their specs say', () => {
    const command = defineCommand({
      name: 'all',
      summary: 'Every kind of argument',
      args: [
        { name: 'count', type: 'integer', summary: 'Required' },
        { name: 'ratio', type: 'number', summary: 'With a default', default: 0.5 },
        { name: 'label', type: 'text', summary: 'May be absent', optional: true },
        { name: 'loud', type: 'boolean', summary: 'With a default', default: false },
      ],
      idempotent: true,
      run: ({ args, peer, signal }) => {
        expectTypeOf(args.count).toEqualTypeOf<number>();
        expectTypeOf(args.ratio).toEqualTypeOf<number>();
        expectTypeOf(args.label).toEqualTypeOf<string | undefined>();
        expectTypeOf(args.loud).toEqualTypeOf<boolean>();
        expectTypeOf(peer.publicKey).toEqualTypeOf<PublicKey>();
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
        // @ts-expect-error there is no such argument
        void args.other;
        return { count: args.count };
      },
    });
    expect(command.args).toHaveLength(4);
  });

  test('a command must say whether it is idempotent, and answer with what CBOR can carry', () => {
    // @ts-expect-error idempotent is missing
    defineCommand({ name: 'a', summary: 'a', run: () => 1 });
    // @ts-expect-error a date is no CborValue
    defineCommand({ name: 'a', summary: 'a', idempotent: true, run: () => new Date() });
  });
});

describe('keys', () => {
  test('public and secret keys cannot be mixed up', () => {
    const { publicKey, secretKey } = generateKeyPair();
    expectTypeOf(publicKey).toEqualTypeOf<PublicKey>();
    expectTypeOf(secretKey).toEqualTypeOf<SecretKey>();
    expectTypeOf<SecretKey>().not.toExtend<PublicKey>();
    expectTypeOf<PublicKey>().not.toExtend<SecretKey>();
    expectTypeOf<Uint8Array>().not.toExtend<PublicKey>();
    expect(String(secretKey)).toBe('[secret]');
  });
});

describe('requests', () => {
  test('an answer, and errors whose codes the compiler knows', () => {
    expectTypeOf<RemotePeer['request']>().returns.resolves.toEqualTypeOf<Answer>();
    const error = new UdpToolError('no-answer', 'Silence.');
    // @ts-expect-error there is no such code
    expect(error.code === 'no-such-code').toBe(false);
  });
});
