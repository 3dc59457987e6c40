/**
 * Two workers on one port, and what they and their primary say to each other. What the kernel gives to the wrong one takes
 * a way round; a twin gets everything at the right one, and both must go on alike to the last byte.
 */
import { idAt, toHex } from '../../../src/bytes.ts';
import { keyPairFromSecret, SecretKey } from '../../../src/crypto/keys.ts';
import { UdpToolError } from '../../../src/errors.ts';
import { ProtocolMachine } from '../../../src/protocol-machine.ts';
import type { Address } from '../../../src/session/address.ts';
import type { Peer } from '../../../src/session/peer.ts';
import { WorkerIds } from '../../../src/session/session-ids.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../../../src/wire/cbor.ts';
import { DatagramType } from '../../../src/wire/header.ts';
import { readFromWorker, readToWorker } from '../../../src/workers/messages.ts';
import { echo, launch } from '../../support/commands.ts';
import { Prng } from '../../support/prng.ts';
import { block, check, Input, same, type Target } from '../target.ts';

const GROUP: Address = { ip: '192.168.2.3', port: 9999 };
const CLIENT: Address = { ip: '192.168.2.1', port: 50_000 };
const ELSEWHERE: Address = { ip: '10.0.0.7', port: 4_242 };
const STRANGER: Address = { ip: '198.51.100.66', port: 666 };
const keyPairOf = (byte: number) => keyPairFromSecret(SecretKey.fromBytes(new Uint8Array(32).fill(byte)));
const KEYS = { group: keyPairOf(1), client: keyPairOf(2) };
const GROUP_KEY = new Uint8Array(32).fill(8);
const COMMANDS = new Map([echo, launch].map((command) => [command.name, command]));
const MAX_ACTIONS = 24;

/** By the first byte of each action modulo their number. */
const Action = {
  ASK: 0,
  /** What the client says arrives at one of the workers, and their answers at the client. */
  CARRY: 1,
  LOSE: 2,
  REPLAY: 3,
  TAMPER: 4,
  STRANGER: 5,
  WAIT: 6,
  /** One of the processes says something. */
  TELL: 7,
} as const;
const ACTIONS = Object.keys(Action).length;

export const workers: Target = {
  name: 'workers',
  seeds: () => {
    const ask = [Action.ASK, 0];
    const carry = (steer: number): number[] => [Action.CARRY, steer];
    const tamper = (at: number): number[] => [Action.TAMPER, 1, 0, at, 1, 1];
    const stray = {
      type: 'stray',
      owner: 1,
      datagram: new Uint8Array(60).fill(5),
      from: { ip: '10.0.0.1', port: 9 },
    };
    const said: CborValue[] = [
      { type: 'here' },
      { type: 'up', addresses: [{ ip: '::', port: 9999 }] },
      { type: 'up', addresses: [{ ip: '::', port: 70_000 }] },
      { type: 'failed', error: { code: 'port-in-use', message: 'it is', hint: 'x' } },
      stray,
      { type: 'report', report: [1] },
      { type: 'seat', key: GROUP_KEY, number: 0, count: 2, port: 9999 },
      { type: 'reload' },
      { type: 'stop' },
    ];
    return [
      [ask, carry(0), carry(0), carry(0), ask, carry(1), ask, carry(3)],
      [ask, carry(0), carry(1), carry(1), ask, carry(1), [Action.WAIT, 90], carry(0)],
      [ask, carry(0), carry(0), [Action.REPLAY, 1, 1], [Action.REPLAY, 0, 1], tamper(30)],
      ...[2, 8, 20].map((at) => [ask, carry(1), carry(0), ask, tamper(at), carry(0)]),
      [[Action.STRANGER, 1, ...block(new Uint8Array(1232).fill(1))]],
      // With an id that nobody gave.
      ...[4, 5].map((type) => [
        [Action.STRANGER, 1, ...block(Uint8Array.of(type, 7, ...new Uint8Array(200)))],
      ]),
      ...said.map((value) => [[Action.TELL, ...block(encodeCbor(value))]]),
    ].map((actions) => Uint8Array.from(actions.flat()));
  },
  words: () => ['type', 'stray', 'owner', 'from', 'port', 'seat', 'failed'].map((word) => encodeCbor(word)),
  maxBytes: 2048,
  work: { base: 2_000_000, perByte: 3_000 },
  memory: { base: 16 * 1024 * 1024, perByte: 2_000 },
  run(input) {
    const [round, direct] = [false, true].map((isDirect) => {
      const scene = new Scene(isDirect);
      scene.play(new Input(input));
      return scene.transcript;
    });
    const at = round?.findIndex((line, i) => line !== direct?.[i]) ?? 0;
    check(round?.join() === direct?.join(), `the way round makes ${round?.[at]} of ${direct?.[at]}`);
  },
};

class Scene {
  readonly transcript: string[] = [];
  readonly #isDirect: boolean;
  readonly #ids: readonly WorkerIds[];
  readonly #workers: readonly ProtocolMachine[];
  readonly #client: ProtocolMachine;
  readonly #group: Peer;
  /** What the client said. */
  readonly #said: Uint8Array[] = [new Uint8Array(64)];
  #isHandedOn = false;
  #now = 1_000;

  constructor(isDirect: boolean) {
    this.#isDirect = isDirect;
    this.#ids = [0, 1].map(
      (number) => new WorkerIds({ key: GROUP_KEY, number, count: 2 }, new Prng(5 + number).bytes),
    );
    this.#workers = this.#ids.map((ids, number) => {
      const worker = new ProtocolMachine({
        keyPair: KEYS.group,
        random: new Prng(1 + number).bytes,
        command: (_peer, name) => COMMANDS.get(name),
        execute: ({ command, args }, done) => {
          this.transcript.push(`${number} runs ${command.name}`);
          done({ ok: true, value: command.run({ args } as never) as CborValue });
        },
        group: { ids, onStray: (owner, datagram, from) => this.#handOn(number, owner, datagram, from) },
      });
      worker.endpoint.addPeer(KEYS.client.publicKey);
      return worker;
    });
    this.#client = new ProtocolMachine({
      keyPair: KEYS.client,
      random: new Prng(9).bytes,
      command: () => undefined,
      execute: () => {},
    });
    this.#group = this.#client.endpoint.addPeer(KEYS.group.publicKey);
    this.#client.endpoint.setAddresses(this.#group, [GROUP]);
  }

  play(input: Input): void {
    for (let i = 0; i < MAX_ACTIONS && !input.isEmpty; i++) this.#act(input.below(ACTIONS), input);
    for (const { endpoint } of this.#workers)
      this.transcript.push(`${endpoint.sessionCount} sessions, ${endpoint.waitingBytes} bytes`);
    // What is wrong at a look is dropped by who gets it.
    const [one, other] = this.#workers.map(({ endpoint }) => endpoint.drops);
    for (const [reason, count] of Object.entries(one ?? {}))
      this.transcript.push(`${reason} ${count + (other?.[reason as keyof typeof other] ?? 0)}`);
  }

  #act(action: number, input: Input): void {
    switch (action) {
      case Action.ASK: {
        const command = input.below(2) === 0 ? 'echo' : 'launch';
        const settle = (outcome: { readonly ok: boolean }): void =>
          void this.transcript.push(`settled ${outcome.ok}`);
        this.#client.client.request(
          { peer: this.#group, command, args: ['x'], timeoutMs: 60_000, settle },
          this.#now,
        );
        break;
      }
      case Action.CARRY: {
        // In it 1: which worker; 2: from elsewhere.
        const how = input.byte();
        for (const { datagram } of this.#client.drain(this.#now)) {
          this.#said.push(datagram.slice());
          this.#deliver(datagram, (how & 2) === 0 ? CLIENT : ELSEWHERE, how & 1);
        }
        this.#answer();
        this.#now += 20;
        break;
      }
      case Action.LOSE:
        this.#client.drain(this.#now);
        break;
      case Action.REPLAY: {
        const datagram = this.#said[input.below(this.#said.length)] as Uint8Array;
        this.#deliver(datagram, CLIENT, input.below(2));
        this.#answer();
        break;
      }
      case Action.TAMPER: {
        const datagram = (this.#said[input.below(this.#said.length)] as Uint8Array).slice();
        const at = (input.byte() * 256 + input.byte()) % datagram.length;
        datagram[at] = (datagram[at] as number) ^ (input.byte() || 1);
        this.#deliver(datagram, STRANGER, input.below(2));
        this.#answer();
        break;
      }
      case Action.STRANGER: {
        const steer = input.below(2);
        this.#deliver(input.block(), STRANGER, steer);
        this.#answer();
        break;
      }
      case Action.WAIT:
        this.#now += 1 + Math.floor(input.byte() ** 2.2);
        for (const one of [this.#client, ...this.#workers])
          if (one.nextTimeout() <= this.#now) one.timeout(this.#now);
        break;
      case Action.TELL: {
        const decoded = decodeCbor(input.block());
        if (decoded.ok) this.#tell(decoded.value);
        break;
      }
    }
  }

  /** The kernel gives it to a worker; in the twin, to the one whose it is. */
  #deliver(datagram: Uint8Array, from: Address, steer: number): void {
    const isOfSession =
      datagram.length > 8 && (datagram[0] === DatagramType.OPEN || datagram[0] === DatagramType.DATA);
    const owner = isOfSession ? this.#ids[0]?.ownerOf(idAt(datagram, 1)) : null;
    const which = this.#isDirect ? (owner ?? steer) : steer;
    this.#workers[which]?.receive(datagram.slice(), from, this.#now);
  }

  /** By way of the primary, which reads it and hands it on; the other one reads it as well. */
  #handOn(from: number, owner: number, datagram: Uint8Array, address: Address): boolean {
    check(!this.#isHandedOn, 'what was handed on is handed on');
    check(!this.#isDirect && owner === 1 - from, 'what is a worker’s own is handed on');
    const said = { type: 'stray', owner, datagram: datagram.slice(), from: address };
    const stray = readFromWorker(structuredClone(said));
    check(stray?.type === 'stray' && stray.owner === owner, 'a stray is not understood');
    const got = readToWorker(structuredClone(stray));
    check(got?.type === 'stray', 'a stray is not understood by the other one');
    same(got.datagram, datagram, 'a stray is another one');
    this.#receive(got.owner, got.datagram, got.from);
    return true;
  }

  #receive(owner: number, datagram: Uint8Array, from: Address): void {
    this.#isHandedOn = true;
    this.#workers[owner]?.receiveHandedOn(datagram, from, this.#now);
    this.#isHandedOn = false;
  }

  #answer(): void {
    for (const [number, worker] of this.#workers.entries()) {
      for (const { datagram, to } of worker.drain(this.#now)) {
        check(to.ip !== STRANGER.ip, 'a stranger is answered');
        this.transcript.push(`${number} to ${to.ip}:${to.port} ${toHex(datagram)}`);
        this.#client.receive(datagram.slice(), GROUP, this.#now);
      }
    }
  }

  /** Something is said that may be anything. */
  #tell(value: CborValue): void {
    const fromWorker = readFromWorker(value);
    switch (fromWorker?.type) {
      case 'up':
        fromWorker.addresses.forEach(expectAddress);
        break;
      case 'failed': {
        const { error } = fromWorker;
        check(
          error instanceof UdpToolError && typeof error.message === 'string',
          'why it failed is no reason',
        );
        check(
          error.code === 'failed' || /^(bad|key|port|no)-/.test(error.code),
          `a worker fails with ${error.code}`,
        );
        break;
      }
      case 'stray':
        expectAddress(fromWorker.from);
        check(fromWorker.datagram instanceof Uint8Array && fromWorker.owner >= 0, 'a stray is none');
        break;
    }
    if (fromWorker !== null && fromWorker.type !== 'failed')
      check(
        text(readFromWorker(structuredClone(fromWorker))) === text(fromWorker),
        'what a worker says changes when it is read again',
      );
    const toWorker = readToWorker(value);
    if (toWorker === null) return;
    check(
      text(readToWorker(structuredClone(toWorker))) === text(toWorker),
      'what a worker is told changes when it is read again',
    );
    if (toWorker.type === 'seat') {
      check(toWorker.key.length === 32, 'a key of a group is none');
      for (const one of [toWorker.number, toWorker.count, toWorker.port])
        check(Number.isSafeInteger(one) && one >= 0, 'a number is none');
    }
    if (toWorker.type === 'stray') {
      this.#receive(toWorker.owner, toWorker.datagram, toWorker.from);
      this.#answer();
    }
  }
}

function expectAddress({ ip, port }: Address): void {
  check(
    typeof ip === 'string' && Number.isInteger(port) && port >= 0 && port <= 65_535,
    `an address is ${ip}:${port}`,
  );
}

function text(value: unknown): string {
  return JSON.stringify(value, (_key, one: unknown) => (one instanceof Uint8Array ? toHex(one) : one)) ?? '';
}
