/** Pairing (PROTOCOL.md, Appendix B) by the second implementation: its worked example, with itself, and with `udp-tool pair`. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hex, random } from './bytes.ts';
import { keyPair } from './keys.ts';
import { commitmentTo, Pairing, STEP, Transcript } from './pairing.ts';
import { Machine } from './program.ts';

const LOOPBACK = '127.0.0.1';
const AGAIN_MS = 500;

const repeated = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const mac = keyPair(repeated(0x11));
const pi = keyPair(repeated(0x22));

function couple() {
  const asker = new Pairing('asker', mac, 'mac', '192.168.2.1:9999', repeated(0x33));
  const waiter = new Pairing('waiter', pi, 'pi', '', repeated(0x44));
  return { asker, waiter };
}

const none = new Uint8Array();

/** Both ask their persons. */
function met() {
  const both = couple();
  const HELLO = both.asker.due() ?? none;
  const ANSWER = both.waiter.take(HELLO) ?? none;
  const REVEAL = both.asker.take(ANSWER) ?? none;
  const READY = both.waiter.take(REVEAL) ?? none;
  return { ...both, HELLO, ANSWER, REVEAL, READY };
}

describe('the worked example', () => {
  it('comes out, value for value', () => {
    const frozen = JSON.parse(readFileSync(new URL('../vectors/pairing-1.json', import.meta.url), 'utf8'));
    const { asker, waiter, HELLO, ANSWER, REVEAL, READY } = met();
    const [O_a, O_w] = [asker.offer, waiter.offer];
    const transcript = new Transcript(mac, pi.public, O_a, repeated(0x33), O_w, repeated(0x44));
    asker.take(READY);
    asker.says(true);
    const YES = asker.due() ?? none;
    waiter.says(false);
    const own = {
      O_a,
      O_w,
      commitment: commitmentTo(O_a, repeated(0x33)),
      T: transcript.t,
      'hash of the code': transcript.codeHash,
      k_a: transcript.asker,
      k_w: transcript.waiter,
      HELLO,
      ANSWER,
      REVEAL,
      'CONFIRM, READY, of the waiter': READY,
      'CONFIRM, YES, of the asker': YES,
      'CONFIRM, NO, of the waiter': waiter.due() ?? none,
    };
    const shown = Object.fromEntries(Object.entries(own).map(([name, bytes]) => [name, hex(bytes)]));
    expect({ ...shown, code: waiter.code }).toEqual(frozen);
  });
});

describe('two of its sides', () => {
  it('trust each other once both persons said yes, and not before', () => {
    const { asker, waiter, READY } = met();
    asker.take(READY);
    expect(asker.code).toBe(waiter.code);
    asker.says(true);
    waiter.take(asker.due() ?? none);
    expect([asker.peer, waiter.peer]).toEqual([undefined, undefined]);
    waiter.says(true);
    expect(waiter.peer).toEqual({ publicKey: mac.public, name: 'mac', at: '192.168.2.1:9999' });
    const written = asker.take(waiter.due() ?? none) ?? none;
    const over = waiter.take(written) ?? none;
    asker.take(over);
    expect([asker.step, waiter.step]).toEqual([STEP.over, STEP.over]);
    expect(asker.peer).toEqual({ publicKey: pi.public, name: 'pi', at: '' });
  });

  it('end by a proof that is wrong, and by another REVEAL; a stranger gets nothing', () => {
    for (const at of [100, 48 + 321 + 5, 48 + 321 + 32 + 5]) {
      const { waiter, asker } = couple();
      const reveal = asker.take(waiter.take(asker.due() ?? none) ?? none) ?? none;
      waiter.take(reveal.map((byte, i) => (i === at ? byte ^ 1 : byte)));
      expect([waiter.step, waiter.code]).toEqual([STEP.no, undefined]);
    }
    const { waiter } = met();
    expect(waiter.take(new Pairing('asker', keyPair(random(32)), 'eve', '').due() ?? none)).toBeUndefined();
    expect(waiter.step).toBe(STEP.ready);
  });
});

/** That side on a socket, until it ends; `port` is where the other waits. */
async function running(pairing: Pairing, port?: number) {
  const socket = createSocket('udp4').bind(0, LOOPBACK);
  await once(socket, 'listening');
  let to = port;
  let seen = (): void => {};
  const send = (datagram: Uint8Array | undefined): void => {
    if (datagram && to !== undefined) socket.send(datagram, to, LOOPBACK);
  };
  socket.on('message', (datagram, from) => {
    to = from.port;
    send(pairing.take(Uint8Array.from(datagram)));
    seen();
  });
  const timer = setInterval(() => send(pairing.due()), AGAIN_MS);
  send(pairing.due());
  return {
    port: socket.address().port,
    async until(there: () => boolean): Promise<void> {
      while (!there()) await new Promise<void>((done) => (seen = done));
    },
    says(same: boolean): void {
      pairing.says(same);
      send(pairing.due());
    },
    [Symbol.dispose](): void {
      clearInterval(timer);
      socket.close();
    },
  };
}

describe.concurrent('with `udp-tool pair`', () => {
  it.each(['asker', 'waiter'] as const)(
    'is the %s: both show one code, and trust each other',
    async (role) => {
      await using machine = await Machine.open();
      const own = keyPair(random(32));
      const pairing = new Pairing(role, own, 'second', '127.0.0.1:7');
      const waiting = role === 'asker' ? machine.pair('--port', '0') : undefined;
      const at = waiting && String(((await waiting.event('waiting'))['addresses'] as string[])[0]);
      using side = await running(pairing, at === undefined ? undefined : Number(/:(\d+)$/.exec(at)?.[1]));
      const program = waiting ?? machine.pair(`${LOOPBACK}:${side.port}`);
      if (!waiting) await program.event('asking');
      const { code } = await program.event('code');
      await side.until(() => pairing.code !== undefined);
      expect(pairing.code).toBe(code);

      program.says('y');
      side.says(true);
      const paired = await program.event('paired');
      expect(paired).toMatchObject({ name: 'second', at: '127.0.0.1:7' });
      await side.until(() => pairing.step === STEP.over);
      expect(pairing.peer?.publicKey).toEqual(machine.publicKey);
      expect(await program.ended).toBe(0);
      expect(await machine.run('peer', 'list')).toContain(String(paired['publicKey']));
    },
  );

  it('ends where its person says no: nobody is trusted', async () => {
    await using machine = await Machine.open();
    const program = machine.pair('--port', '0');
    const at = String(((await program.event('waiting'))['addresses'] as string[])[0]);
    const pairing = new Pairing('asker', keyPair(random(32)), 'second', '');
    using side = await running(pairing, Number(/:(\d+)$/.exec(at)?.[1]));
    await program.event('code');
    await side.until(() => pairing.code !== undefined);
    side.says(true);
    program.says('n');
    await side.until(() => pairing.step === STEP.no);
    expect(pairing.peer).toBeUndefined();
    expect(await program.ended).not.toBe(0);
  });
});
