/**
 * Messages on their way (PROTOCOL §10.2): two machines with their outboxes and inboxes, disks that fail, processes that
 * are killed, and peers that lie. An input is a list of what happens.
 */
import { PublicKey, SecretKey } from '../../../src/crypto/keys.ts';
import { UdpToolError } from '../../../src/errors.ts';
import { messageCommands } from '../../../src/messages/commands.ts';
import { type Correspondent, deliver, fetchMail } from '../../../src/messages/delivery.ts';
import type { Message } from '../../../src/messages/message.ts';
import { MessageStore } from '../../../src/messages/message-store.ts';
import { type Command, parseArguments } from '../../../src/rpc/command.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../../../src/wire/cbor.ts';
import { MemoryDisk } from '../memory-disk.ts';
import { block, check, Input, type Target } from '../target.ts';
import { VirtualTime } from '../virtual-time.ts';

const KEYS = [1, 2, 3].map((byte) => PublicKey.fromBytes(new Uint8Array(32).fill(byte + 8)));
const [ANN, BOB, MALLORY] = KEYS as [PublicKey, PublicKey, PublicKey];
const SECRET = SecretKey.fromBytes(new Uint8Array(32).fill(1));
const MAX_ACTIONS = 32;
const MAX_QUEUED = 6;
const MAX_ASKS = 1_001;
const MAX_TEXT_BYTES = 60_000;
const PART_BYTES = 880;
/** Longer than a file that is being written is left alone. */
const ABANDONED_MS = 61_000;
const TEXTS = ['a', 'ö'.repeat(500), '😀'.repeat(600)];
/** What is said instead of an answer. */
const LIES: readonly CborValue[] = [null, 'new', 'known', 'part', 7, [], { id: 'x' }];

/** By the first byte of each action modulo their number. */
const Action = {
  /** Ann writes to Bob, and Bob to Ann. */
  WRITE: 0,
  /** Ann brings and fetches: Bob has no address of hers. */
  DELIVER: 1,
  FETCH: 2,
  /** A question of hers is answered, or lost, or its answer is. */
  ANSWER: 3,
  LIE: 4,
  /** … by a message of anything, or anything else. */
  LIE_MAIL: 5,
  /** A peer of Bob says what he likes. */
  SAY_PART: 6,
  SAY: 7,
  WAIT: 8,
  FAIL: 9,
  KILL: 10,
  START: 11,
} as const;
const ACTIONS = Object.keys(Action).length;

export const messages: Target = {
  name: 'messages',
  seeds: () => {
    const write = (from: number, text: number): number[] => [Action.WRITE, from, text];
    const answers = (times: number, how = 0): number[] =>
      new Array<number[]>(times).fill([Action.ANSWER, 0, how]).flat();
    const lie = (which: number): number[] => [Action.LIE, 0, which];
    const part = (peer: number, index: number): number[] => [Action.SAY_PART, peer, 0, 1, index, 2];
    const say = (name: number, args: CborValue): number[] => [Action.SAY, name, ...block(encodeCbor(args))];
    const [deliver, fetch] = [[Action.DELIVER], [Action.FETCH, 0]];
    const id = 'a'.repeat(32);
    const mail = [Action.LIE_MAIL, 0, ...block(encodeCbor({ id, at: 5, text: 'hel\ufeffo' }))];
    return [
      [write(0, 0), write(0, 1), deliver, answers(4)],
      [write(1, 0), write(1, 2), fetch, answers(4)],
      [write(0, 2), deliver, answers(1), answers(1, 1), answers(2, 2), answers(4)],
      [[Action.FETCH, 9], answers(1), write(1, 0), [Action.WAIT, 3], answers(2)],
      ...LIES.map((_lie, i) => [write(0, 1), deliver, lie(i), lie(i)]),
      [fetch, mail, mail],
      // Parts of two messages of one peer.
      [write(0, 1), deliver, part(0, 1), answers(4)],
      [part(0, 0), part(0, 1), part(1, 1)],
      [say(0, [id, 5, 'text', 1, 1]), say(1, [id, 3])],
      ...[0, 4, 9].map((after) => [
        ...[write(0, 0), deliver, [Action.KILL, 1, after], answers(2)],
        ...[[Action.START, 1], deliver, answers(2)],
      ]),
      [write(0, 0), [Action.FAIL, 0, 3], deliver, answers(2), [Action.FAIL, 1, 2], answers(3)],
    ].map((actions) => Uint8Array.from(actions.flat()));
  },
  words: () => [
    Uint8Array.of(Action.DELIVER, Action.ANSWER, 0, 0),
    Uint8Array.of(Action.FETCH, 0, Action.ANSWER, 0, 0),
    encodeCbor('b'.repeat(32)),
    encodeCbor({ id: 'b'.repeat(32), at: 5, text: '' }),
    Uint8Array.from(Buffer.from('\ufeff')),
  ],
  maxBytes: 600,
  work: { base: 600_000, perByte: 20_000 },
  memory: { base: 2 * 1024 * 1024, perByte: 20_000 },
  run: (input) =>
    VirtualTime.run(async (time) => {
      using ann = new MemoryDisk();
      using bob = new MemoryDisk();
      const scene = new Scene(time, ann, bob);
      await scene.play(new Input(input));
      await scene.end();
    }),
};

/** The disk tells nobody that it changed: who waits is told by who changes it. */
class Store extends MessageStore {
  readonly #waiting = new Set<() => void>();

  override async watch(
    _folder: 'outbox' | 'inbox',
    onChange: () => void,
    signal: AbortSignal,
  ): Promise<void> {
    this.#waiting.add(onChange);
    signal.addEventListener('abort', () => this.#waiting.delete(onChange));
  }

  override async queue(peer: PublicKey, text: string): Promise<Message> {
    const message = await super.queue(peer, text);
    for (const tell of this.#waiting) tell();
    return message;
  }
}

interface Ask {
  readonly command: string;
  readonly args: readonly CborValue[];
  readonly settle: (answer: CborValue | UdpToolError) => void;
}

class Machine {
  readonly publicKey: PublicKey;
  readonly disk: MemoryDisk;
  /** What it wrote for the other one, by id; and of that, what it was told to have arrived though nobody honest said so. */
  readonly wrote = new Map<string, string>();
  readonly lost = new Set<string>();
  store!: Store;
  commands!: ReadonlyMap<string, Command>;
  process!: AbortController;
  /** Of which it was told that they are new here. */
  readonly news = new Set<string>();

  constructor(publicKey: PublicKey, disk: MemoryDisk) {
    this.publicKey = publicKey;
    this.disk = disk;
    this.start();
  }

  start(): void {
    this.disk.mend();
    this.process = new AbortController();
    this.store = new Store(this.disk.path, { secretKey: SECRET, publicKey: this.publicKey });
    const onMessage = ({ message }: { readonly message: Message }): void => {
      const name = `${message.peer}/${message.id}`;
      check(!this.news.has(name), 'a message is new twice');
      this.news.add(name);
    };
    const commands = messageCommands({ store: this.store, onMessage });
    this.commands = new Map(commands.map((command) => [command.name, command]));
  }
}

class Scene {
  readonly #time: VirtualTime;
  readonly #ann: Machine;
  readonly #bob: Machine;
  #asks: Ask[] = [];
  #isDelivering = false;
  #isFetching = false;
  #asked = 0;

  constructor(time: VirtualTime, ann: MemoryDisk, bob: MemoryDisk) {
    this.#time = time;
    this.#ann = new Machine(ANN, ann);
    this.#bob = new Machine(BOB, bob);
  }

  async play(input: Input): Promise<void> {
    for (let i = 0; i < MAX_ACTIONS && !input.isEmpty; i++) {
      await this.#act(input.below(ACTIONS), input);
      await this.#time.settle();
    }
  }

  /** All goes well from now on: everything that was written arrives, once and in order. */
  async end(): Promise<void> {
    for (const machine of [this.#ann, this.#bob]) await this.#restart(machine);
    await this.#time.pass(ABANDONED_MS);
    for (const ask of this.#asks.splice(0)) ask.settle(noAnswer());
    await this.#time.settle();
    check(!this.#isDelivering && !this.#isFetching, 'who was stopped goes on');
    const asks = this.#asked;
    let isDone = false;
    const all = Promise.all([this.#deliver(), this.#fetch(0)]).then(() => (isDone = true));
    for (let i = 0; !isDone; i++) {
      check(i < 500, 'there is no end of asking');
      for (const ask of this.#asks.splice(0)) await this.#carryOut(ask, 'answered');
      await this.#time.settle();
    }
    await all;
    check(this.#asked - asks < 500, 'much is asked for little');
    await this.#expectArrived(this.#ann, this.#bob);
    await this.#expectArrived(this.#bob, this.#ann);
    await this.#time.pass(ABANDONED_MS);
    check(this.#time.timers.size === 0, 'a timer is left');
  }

  async #act(action: number, input: Input): Promise<void> {
    switch (action) {
      case Action.WRITE: {
        const [from, to] = this.#pair(input.below(2));
        const text = TEXTS[input.below(TEXTS.length)] as string;
        if (from.wrote.size >= MAX_QUEUED) break;
        try {
          const { id } = await from.store.queue(to.publicKey, `${from.wrote.size} ${text}`);
          from.wrote.set(id, `${from.wrote.size} ${text}`);
        } catch (error) {
          check(
            from.disk.hasFailed && error instanceof UdpToolError,
            `a message is not kept: ${String(error)}`,
          );
          // It may be there all the same, where the last step of many failed.
          for (const { id, text: kept } of await unless(from.disk, () => from.store.waiting(to.publicKey)))
            if (!from.wrote.has(id)) from.wrote.set(id, kept);
        }
        break;
      }
      case Action.DELIVER:
        if (!this.#isDelivering) void this.#deliver();
        break;
      case Action.FETCH: {
        const wait = input.below(31);
        if (!this.#isFetching) void this.#fetch(wait);
        break;
      }
      case Action.ANSWER: {
        const ask = this.#take(input.byte());
        const how = (['answered', 'executed', 'lost'] as const)[input.below(3)];
        if (ask !== undefined && how !== undefined) await this.#carryOut(ask, how);
        break;
      }
      case Action.LIE: {
        const ask = this.#take(input.byte());
        const lie = LIES[input.below(LIES.length)];
        if (ask !== undefined) this.#lie(ask, lie);
        break;
      }
      case Action.LIE_MAIL: {
        const ask = this.#take(input.byte());
        const decoded = decodeCbor(input.block());
        if (ask !== undefined) this.#lie(ask, decoded.ok ? decoded.value : null);
        break;
      }
      case Action.SAY_PART: {
        const peer = KEYS[input.below(2) * 2] as PublicKey;
        const id = 'abc'.charAt(input.below(3)).repeat(32);
        const text = TEXTS[input.below(TEXTS.length)] as string;
        const part = 1 + input.below(4);
        const parts = input.below(4);
        this.#say(peer, 'msg', [id, 5, text, part, parts]);
        break;
      }
      case Action.SAY: {
        const name = input.below(2) === 0 ? 'msg' : 'mail';
        const decoded = decodeCbor(input.block());
        if (decoded.ok && Array.isArray(decoded.value))
          this.#say(MALLORY, name, decoded.value as readonly CborValue[]);
        break;
      }
      case Action.WAIT:
        await this.#time.pass(1 + Math.floor(input.byte() ** 2));
        break;
      case Action.FAIL:
      case Action.KILL: {
        const [{ disk }] = this.#pair(input.below(2));
        disk.failsAfter = input.below(24);
        disk.killsUser = action === Action.KILL;
        break;
      }
      case Action.START: {
        const [machine] = this.#pair(input.below(2));
        await this.#restart(machine);
        break;
      }
    }
  }

  async #restart(machine: Machine): Promise<void> {
    machine.process.abort();
    await this.#time.settle();
    machine.start();
  }

  #pair(which: number): readonly [Machine, Machine] {
    return which === 0 ? [this.#ann, this.#bob] : [this.#bob, this.#ann];
  }

  #take(which: number): Ask | undefined {
    return this.#asks.splice(which % Math.max(1, this.#asks.length), 1)[0];
  }

  async #deliver(): Promise<void> {
    const { store, process } = this.#ann;
    this.#isDelivering = true;
    await deliver(
      this.#peer(process.signal),
      store,
      { timeoutMs: 5_000, signal: process.signal },
      ({ id }) => {
        check(this.#ann.wrote.has(id), 'a message was delivered that nobody wrote');
      },
    ).catch(mustBeKnown);
    this.#isDelivering = false;
  }

  async #fetch(wait: number): Promise<void> {
    const { store, process } = this.#ann;
    const before = this.#asked;
    this.#isFetching = true;
    await fetchMail(this.#peer(process.signal), store, wait, {
      timeoutMs: 5_000,
      signal: process.signal,
    }).catch(mustBeKnown);
    check(this.#asked - before <= MAX_ASKS + 100, 'mail is asked for without end');
    this.#isFetching = false;
  }

  /** Bob, as Ann sees him. */
  #peer(killed: AbortSignal): Correspondent {
    const request: Correspondent['request'] = (command, args = [], { timeoutMs = 0 } = {}) =>
      new Promise((done, fail) => {
        this.#asked++;
        const settle = (answer: CborValue | UdpToolError): void => {
          clearTimeout(timer);
          killed.removeEventListener('abort', stop);
          this.#asks = this.#asks.filter((one) => one !== ask);
          if (answer instanceof UdpToolError) fail(answer);
          else done({ value: answer, roundTripMs: 1, tries: 1 });
        };
        const stop = (): void => settle(new UdpToolError('aborted', 'killed'));
        const timer = setTimeout(() => settle(noAnswer()), timeoutMs);
        const ask: Ask = { command, args, settle };
        killed.addEventListener('abort', stop);
        if (killed.aborted) stop();
        else this.#asks.push(ask);
        this.#expectAsk(command, args);
      });
    return { name: 'bob', publicKey: BOB, request };
  }

  #expectAsk(command: string, [first, second, third, part, parts]: readonly CborValue[]): void {
    if (command === 'mail') {
      check(
        second === undefined || (Number(second) >= 0 && Number(second) <= 30),
        'mail is asked to wait for too long',
      );
      return;
    }
    check(command === 'msg' && typeof first === 'string' && typeof third === 'string', 'a part is none');
    check(Buffer.byteLength(third) <= PART_BYTES, 'a part is too long');
    check(Number(part) >= 1 && Number(part) <= Number(parts) && Number(parts) <= 69, 'a part has no place');
    check(this.#ann.wrote.has(first), 'a message is brought that nobody wrote');
  }

  /** Bob does what he is asked, or does not hear it; and his answer arrives or does not. */
  async #carryOut(ask: Ask, how: 'answered' | 'executed' | 'lost'): Promise<void> {
    if (how === 'lost') {
      ask.settle(noAnswer());
      return;
    }
    // Where mail waits, later.
    void this.#run(this.#bob, ANN, ask.command, ask.args).then((answer) =>
      ask.settle(how === 'executed' ? noAnswer() : answer),
    );
    await this.#time.settle();
  }

  #lie(ask: Ask, lie: CborValue | undefined): void {
    const [id] = ask.args;
    if (ask.command === 'msg' && (lie === 'new' || lie === 'known')) this.#ann.lost.add(id as string);
    ask.settle(lie as CborValue);
  }

  #say(peer: PublicKey, name: string, args: readonly CborValue[]): void {
    if (peer === ANN && name === 'mail') return;
    void this.#run(this.#bob, peer, name, args);
  }

  /** What a machine answers to a peer. */
  async #run(
    machine: Machine,
    peer: PublicKey,
    name: string,
    values: readonly CborValue[],
  ): Promise<CborValue | UdpToolError> {
    const command = machine.commands.get(name) as Command;
    const { signal } = machine.process;
    const { disk } = machine;
    try {
      const args = parseArguments(command, values);
      const value = await command.run({ args, peer: { name: 'one', publicKey: peer }, signal, commands: [] });
      if (name === 'msg') check(['new', 'known', 'part'].includes(value as string), 'msg has another answer');
      else if (value !== null) this.#expectMail(machine, peer, value as { id: string; text: string });
      return value as CborValue;
    } catch (error) {
      if (error instanceof UdpToolError) {
        const codes = ['bad-arguments', 'busy', 'bad-usage', 'too-large'];
        check(codes.includes(error.code) || disk.hasFailed, `a peer is told ${error.code}: ${error.message}`);
        return error;
      }
      check(disk.hasFailed, `a command failed: ${String(error)}`);
      return new UdpToolError('command-failed', 'failed');
    }
  }

  #expectMail(
    machine: Machine,
    peer: PublicKey,
    { id, text }: { readonly id: string; readonly text: string },
  ): void {
    check(peer === ANN && machine.wrote.get(id) === text, 'a peer gets the mail of another one');
  }

  async #expectArrived(from: Machine, to: Machine): Promise<void> {
    const came = await to.store.unread();
    for (const { text, id, writtenAt } of came) {
      check(/^[0-9a-f]{32}$/.test(id) && text !== '' && !text.includes('\ufeff'), 'what came is no message');
      check(Buffer.byteLength(text) <= MAX_TEXT_BYTES, 'what came is too long');
      check(!Number.isNaN(new Date(writtenAt).getTime()), 'what came has no time');
    }
    const names = came.map(({ peer, id }) => `${peer}/${id}`);
    check(new Set(names).size === names.length, 'a message came twice');
    const arrived = came.filter(({ peer, id }) => peer.equals(from.publicKey) && from.wrote.has(id));
    for (const { id, text } of arrived) check(text === from.wrote.get(id), 'a message came as another one');
    const expected = [...from.wrote.keys()].filter((id) => !from.lost.has(id));
    const order = arrived.map(({ id }) => id).filter((id) => expected.includes(id));
    check(order.join() === expected.join(), 'a message is lost, or came out of order');
    check((await from.store.waiting(to.publicKey)).length === 0, 'what arrived waits on');
  }
}

function noAnswer(): UdpToolError {
  return new UdpToolError('no-answer', 'lost');
}

async function unless(disk: MemoryDisk, read: () => Promise<Message[]>): Promise<Message[]> {
  disk.mend();
  return read();
}

function mustBeKnown(error: unknown): void {
  if (!(error instanceof UdpToolError)) throw error;
}
