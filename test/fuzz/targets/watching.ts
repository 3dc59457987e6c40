/** Watching (PROTOCOL §10.1): the watched side with watchers that lie, and a watcher with a peer that lies. */
import type { CommandCall } from '../../../src/command-call.ts';
import { PublicKey } from '../../../src/crypto/keys.ts';
import { UdpToolError } from '../../../src/errors.ts';
import type { RemotePeer } from '../../../src/remote-peer.ts';
import { type Command, defineCommand } from '../../../src/rpc/command.ts';
import { type WatchEvent, watch } from '../../../src/watching/watch.ts';
import { Watches } from '../../../src/watching/watches.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../../../src/wire/cbor.ts';
import { Prng } from '../../support/prng.ts';
import { block, check, Input, type Target } from '../target.ts';
import { VirtualTime } from '../virtual-time.ts';

const [WATCH, NEXT, UNWATCH] = ['udp-tool.watch', 'udp-tool.next', 'udp-tool.unwatch'];
const MAX_ACTIONS = 48;
const MAX_WATCHES = 16;
const MAX_UNACKNOWLEDGED = 16;
const FORGOTTEN_MS = 30_000;
const PEERS = [1, 2].map(
  (byte) =>
    ({
      name: `peer ${byte}`,
      publicKey: PublicKey.fromBytes(new Uint8Array(32).fill(byte + 8)),
    }) as RemotePeer,
);
const COMMANDS = ['counting', 'sampled', 'finite', 'failing', 'large', 'held'];

/** What was made for one watch. */
interface Call {
  readonly peer: RemotePeer;
  /** Values that the command was asked for, and `next` of its watcher. */
  wanted: number;
  polls: number;
  isOver: boolean;
  /** Streams that began, and were left. */
  begun: number;
  left: number;
  /** What was given, by number; the highest; and what of it the watcher says to have. */
  readonly given: Map<number, string>;
  highest: number;
  readonly acknowledged: Set<number>;
  /** The watcher says that it has what it was never given. */
  isLiedTo: boolean;
}

/** By the first byte of each action modulo their number. */
const Asking = { WATCH: 0, NEXT: 1, UNWATCH: 2, SAY: 3, WAIT: 4, PERMIT: 5, FORGET: 6, OPEN: 7 } as const;
const ASKINGS = Object.keys(Asking).length;

export const watched: Target = {
  name: 'watched',
  seeds: () => {
    const begin = (command: number, every = 0): number[] => [Asking.WATCH, 0, command, every];
    const next = (upTo: number, beyond = 0): number[] => [Asking.NEXT, 0, 0, upTo, beyond];
    const wait = (time: number): number[] => [Asking.WAIT, time];
    const [forbid, forget, unwatch] = [
      [Asking.PERMIT, 0],
      [Asking.FORGET, 0],
      [Asking.UNWATCH, 0, 0],
    ] as const;
    const again = (times: number, action: readonly number[]): number[] =>
      new Array<readonly number[]>(times).fill(action).flat();
    const said: CborValue[] = [
      [WATCH as string, [0, 'counting', []]],
      [WATCH as string, [10, 'sampled', ['x']]],
      [NEXT as string, [1, 0, []]],
      [NEXT as string, [1, 3, [5, 6]]],
      [UNWATCH as string, [1]],
    ];
    return [
      ...COMMANDS.map((_name, i) => [
        begin(i, 1),
        next(0),
        next(0),
        next(1),
        wait(9),
        next(2),
        [Asking.OPEN],
      ]),
      [begin(0), next(0), next(0), next(0, 2), next(3), next(0, 255)],
      [begin(1, 2), again(20, next(0)), unwatch, next(0)],
      [again(18, begin(0)), next(0), forget],
      [begin(5), next(0), next(0), forbid, next(0), [Asking.OPEN], wait(99)],
      // What was made is there when nobody waits for it any more; and when it may not be told.
      ...[[], forbid].map((then) => [begin(5), next(0), wait(140), [Asking.OPEN], then, next(0), next(1)]),
      ...said.map((value, i) => [[Asking.SAY, i], [...block(encodeCbor(value))]]),
    ].map((actions) => Uint8Array.from(actions.flat()));
  },
  words: () => [...COMMANDS, WATCH, NEXT, UNWATCH].map((name) => encodeCbor(name as string)),
  maxBytes: 400,
  work: { base: 200_000, perByte: 5_000 },
  memory: { base: 2 * 1024 * 1024, perByte: 80_000 },
  run: (input) =>
    VirtualTime.run(async (time) => {
      const scene = new Watched(time);
      await scene.play(new Input(input));
      await scene.end();
    }),
};

class Watched {
  readonly #time: VirtualTime;
  readonly #closing = new AbortController();
  readonly #watches: Watches;
  readonly #commands: ReadonlyMap<string, Command>;
  readonly #calls: Call[] = [];
  /** By id. */
  readonly #known = new Map<number, Call>();
  readonly #permitted = [true, true];
  readonly #held: (() => void)[] = [];
  #waiting = 0;

  constructor(time: VirtualTime) {
    this.#time = time;
    const commands = COMMANDS.map((name) => this.#command(name));
    this.#commands = new Map(commands.map((command) => [command.name, command]));
    this.#watches = new Watches({
      command: (peer, name) => (this.#isPermitted(peer) ? this.#commands.get(name) : undefined),
      call: (_args, peer) => this.#newCall(peer),
      closing: this.#closing.signal,
      random: new Prng(1).bytes,
    });
  }

  async play(input: Input): Promise<void> {
    for (let i = 0; i < MAX_ACTIONS && !input.isEmpty; i++) {
      await this.#act(input.below(ASKINGS), input);
      await this.#time.settle();
      for (const peer of PEERS) {
        const live = this.#calls.filter((call) => call.peer === peer && !call.isOver);
        check(live.length <= MAX_WATCHES, 'a peer watches too much');
      }
      for (const call of this.#calls)
        check(call.wanted <= call.polls, 'a value is made that nobody waits for');
    }
  }

  /** Nobody asks any more: all of it ends by itself. */
  async end(): Promise<void> {
    await this.#time.pass(FORGOTTEN_MS);
    check(
      this.#calls.every(({ isOver }) => isOver),
      'a watch is not forgotten',
    );
    this.#open();
    await this.#time.settle();
    check(this.#waiting === 0, 'a poll is never answered');
    check(
      this.#calls.every(({ begun, left }) => begun === left),
      'a stream is not left',
    );
    check(this.#time.timers.size === 0, 'a timer is left');
    // And there is room for others.
    this.#permitted.fill(true);
    const id = await this.#ask(PEERS[0] as RemotePeer, WATCH as string, [0, 'counting', []]);
    check(typeof id === 'number', 'nothing can be watched any more');
    this.#closing.abort();
    await this.#time.settle();
    check(this.#time.timers.size === 0, 'a timer is left behind the end');
  }

  async #act(action: number, input: Input): Promise<void> {
    switch (action) {
      case Asking.WATCH: {
        const peer = PEERS[input.below(2)] as RemotePeer;
        const name = COMMANDS[input.below(COMMANDS.length)] as string;
        const everyMs = [0, 500, 1_000, 60_000][input.below(4)] as number;
        void this.#ask(peer, WATCH as string, [everyMs, name, []]);
        break;
      }
      case Asking.NEXT: {
        const peer = PEERS[input.below(2)] as RemotePeer;
        const id = this.#id(input.byte());
        const upTo = input.below(32);
        const mask = input.byte();
        const beyond = [1, 2, 3, 4, 5, 6, 7, 8]
          .filter((bit) => (mask & (1 << (bit - 1))) !== 0)
          .map((bit) => upTo + bit);
        void this.#ask(peer, NEXT as string, [id, upTo, beyond]);
        break;
      }
      case Asking.UNWATCH:
        void this.#ask(PEERS[input.below(2)] as RemotePeer, UNWATCH as string, [this.#id(input.byte())]);
        break;
      case Asking.SAY: {
        const peer = PEERS[input.below(2)] as RemotePeer;
        const decoded = decodeCbor(input.block());
        if (!decoded.ok || !Array.isArray(decoded.value)) break;
        const [name, args] = decoded.value as readonly CborValue[];
        if (typeof name === 'string' && Array.isArray(args))
          void this.#ask(peer, name, args as readonly CborValue[]);
        break;
      }
      case Asking.WAIT:
        await this.#time.pass(1 + Math.floor(input.byte() ** 1.9));
        break;
      case Asking.PERMIT: {
        const which = input.below(2);
        this.#permitted[which] = !this.#permitted[which];
        break;
      }
      case Asking.FORGET:
        this.#watches.forget(PEERS[input.below(2)] as RemotePeer);
        break;
      case Asking.OPEN:
        this.#open();
        break;
    }
  }

  #id(which: number): number {
    return [...this.#known.keys()][which % Math.max(1, this.#known.size)] ?? 1;
  }

  /** What a peer is answered; null for an error, or for what is no command of watching. */
  async #ask(peer: RemotePeer, name: string, values: readonly CborValue[]): Promise<CborValue> {
    const command = this.#watches.command(peer, name);
    if (command === undefined) return null;
    const before = this.#calls.length;
    const call = name === NEXT ? this.#known.get(values[0] as number) : undefined;
    const isOwn = call?.peer === peer;
    let answer: CborValue;
    let owed: number | undefined;
    try {
      const args = command.parse?.(values) as Record<string, CborValue>;
      if (name === NEXT && call !== undefined && isOwn) owed = this.#onNext(call, values);
      this.#waiting++;
      answer = (await command.run({ args, peer, signal: this.#closing.signal, commands: [] })) as CborValue;
    } catch (error) {
      if (!(error instanceof UdpToolError)) throw error;
      check(
        ['bad-arguments', 'unknown-command', 'busy'].includes(error.code),
        `a peer is told ${error.code}`,
      );
      if (error.code === 'busy' && name === NEXT)
        check((call?.polls ?? 0) > MAX_UNACKNOWLEDGED, 'a peer is busy at once');
      return null;
    } finally {
      this.#waiting = Math.max(0, this.#waiting - 1);
    }
    check(encodeCbor(answer, 6).length <= 65_536, 'an answer is too long');
    if (name === WATCH) {
      check(Number.isSafeInteger(answer) && this.#calls.length === before + 1, 'a watch has no number');
      check(!this.#known.has(answer as number), 'two watches have one number');
      this.#known.set(answer as number, this.#calls[before] as Call);
    } else if (name === UNWATCH) check(answer === null, 'the end of a watch is answered');
    else {
      this.#expectItem(answer, isOwn ? call : undefined);
      if (Array.isArray(answer) && owed !== undefined && call?.isLiedTo === false)
        check(answer[0] === owed, 'what is on its way no longer is not given again');
    }
    return answer;
  }

  /** Gives the first that did not come though a later one did. */
  #onNext(call: Call, [, upTo, beyond]: readonly CborValue[]): number | undefined {
    call.polls++;
    const said = [...(beyond as number[])];
    for (let seq = 1; seq <= Math.min(upTo as number, call.highest); seq++) said.push(seq);
    for (const seq of said) call.acknowledged.add(seq);
    if ((upTo as number) > call.highest || said.some((seq) => seq > call.highest)) call.isLiedTo = true;
    const newest = Math.max(0, ...said);
    return [...call.given.keys()]
      .sort((a, b) => a - b)
      .find((seq) => seq < newest && !call.acknowledged.has(seq));
  }

  #expectItem(answer: CborValue, call: Call | undefined): void {
    if (answer === null) return;
    check(call !== undefined, 'a watch of somebody else is answered');
    check(Array.isArray(answer) && [0, 2, 3, 4].includes(answer.length), 'an item is none');
    if (answer.length === 0) return;
    const [seq, missed, ...content] = answer as readonly CborValue[];
    check(
      Number.isSafeInteger(seq) && Number.isSafeInteger(missed) && (missed as number) >= 0,
      'an item has no number',
    );
    if (content.length === 2)
      check(
        content.every((one) => typeof one === 'string'),
        'an error has no text',
      );
    const number = seq as number;
    const text = JSON.stringify(answer);
    const known = call.given.get(number);
    check(known === undefined || known === text, `item ${number} is another one when it is given again`);
    call.given.set(number, text);
    if (known !== undefined) {
      check(call.isLiedTo || !call.acknowledged.has(number), 'an item is given again that came');
      return;
    }
    check(
      content.length !== 1 || this.#isPermitted(call.peer),
      'a value is told to who may not call its command',
    );
    if (!call.isLiedTo) {
      check(number === call.highest + 1, 'items are out of order');
      const open = [...call.given.keys()].filter((one) => !call.acknowledged.has(one)).length;
      check(open <= MAX_UNACKNOWLEDGED, 'too much is kept that is not acknowledged');
    }
    call.highest = Math.max(call.highest, number);
  }

  /** What commands wait for is there. */
  #open(): void {
    for (const open of this.#held.splice(0)) open();
  }

  #isPermitted(peer: RemotePeer): boolean {
    return this.#permitted[PEERS.indexOf(peer)] === true;
  }

  #newCall(peer: RemotePeer): CommandCall {
    const call: Call = {
      ...{ peer, wanted: 0, polls: 0, isOver: false, begun: 0, left: 0, highest: 0, isLiedTo: false },
      ...{ given: new Map(), acknowledged: new Set() },
    };
    this.#calls.push(call);
    const context = {
      args: {},
      peer,
      signal: this.#closing.signal,
      commands: [],
      call,
      abort: () => (call.isOver = true),
    };
    return context as unknown as CommandCall;
  }

  #command(name: string): Command {
    const callOf = (context: object): Call => (context as { readonly call: Call }).call;
    const want = (call: Call): void => {
      call.wanted++;
      check(this.#isPermitted(call.peer), 'a command runs for who may not call it');
    };
    const { finite, counting, held } = { finite: 3, counting: Number.POSITIVE_INFINITY, held: 4 };
    const count = { finite, counting, held }[name];
    const stream = async function* (scene: Watched, call: Call): AsyncGenerator<CborValue> {
      call.begun++;
      try {
        for (let i = 1; i <= (count ?? 0); i++) {
          want(call);
          if (name === 'held') await new Promise<void>((open) => scene.#held.push(open));
          yield i;
        }
        want(call); // asked for one more, which there is not
      } finally {
        call.left++;
      }
    };
    return defineCommand({
      name,
      summary: '',
      idempotent: true,
      run: (context) => {
        const call = callOf(context);
        if (count !== undefined) return stream(this, call);
        want(call);
        if (name === 'failing') throw new Error('it failed');
        return name === 'large' ? new Uint8Array(65_530) : 'x';
      },
    });
  }
}

/** By the first byte of each action modulo their number. */
const Answering = {
  /** A question is answered as it should be. */
  GIVE: 0,
  /** … with an item out of order, with nothing, or with an error. */
  LIE: 1,
  SAY: 2,
  /** The next event is waited for. */
  TAKE: 3,
  WAIT: 4,
  /** All questions get the same answer at once, as long as there are any. */
  FLOOD: 5,
  LEAVE: 6,
  ABORT: 7,
} as const;
const ANSWERINGS = Object.keys(Answering).length;
const ERRORS = ['no-answer', 'outcome-unknown', 'unknown-command', 'busy'] as const;
const MAX_FLOOD = 300;

export const watching: Target = {
  name: 'watching',
  seeds: () => {
    const give = (which = 0): number[] => [Answering.GIVE, which];
    const wait = (time: number): number[] => [Answering.WAIT, time];
    const say = (value: CborValue): number[] => [Answering.SAY, 0, ...block(encodeCbor(value))];
    const [take, leave, abort] = [[Answering.TAKE], [Answering.LEAVE], [Answering.ABORT]] as const;
    return [
      [take, give(), give(), take, give(), take, give(), give(), take, leave],
      [take, give(), give(3), give(2), take, give(), take, take, abort],
      ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map((lie) => [
        ...[take, give(), give(), [Answering.LIE, 0, lie]],
        ...[take, wait(9), give(), give(), take, take],
      ]),
      ...[0, 1, 2, 3, 4, 5, 6, 7].map((lie) => [take, give(), [Answering.FLOOD, lie], take, wait(60)]),
      [take, give(), say([1, 0, 'x']), take, wait(255), take],
      [take, say(null), take],
    ].map((actions) => Uint8Array.from(actions.flat()));
  },
  words: () => [
    Uint8Array.of(Answering.GIVE, 0, Answering.TAKE),
    Uint8Array.of(Answering.WAIT, 200, Answering.GIVE, 0),
    ...[[], [1, 0], [1, 0, 1], [2, 3, 'code', 'text'], [1e9, 0, 1]].map((item) => encodeCbor(item)),
  ],
  maxBytes: 400,
  work: { base: 400_000, perByte: 5_000 },
  memory: { base: 2 * 1024 * 1024, perByte: 80_000 },
  run: (input) =>
    VirtualTime.run(async (time) => {
      const scene = new Watching(time);
      await scene.play(new Input(input));
      await scene.end();
    }),
};

interface Question {
  readonly command: string;
  readonly args: readonly CborValue[];
  readonly settle: (answer: CborValue | UdpToolError) => void;
}

class Watching {
  readonly #time: VirtualTime;
  readonly #stop = new AbortController();
  readonly #events: AsyncGenerator<WatchEvent, void, undefined>;
  #questions: Question[] = [];
  #asked = 0;
  #lastId = 0;
  /** Of the newest watch: the number of the next item, and those that were given. */
  #next = 1;
  #given = new Set<number>();
  /** What was given has another content than its number. */
  #isOdd = false;
  /** The last item that the user got of that watch; and whether he was told that values are missing since. */
  #seen = 0;
  #isTaking = false;
  #isOver = false;

  constructor(time: VirtualTime) {
    this.#time = time;
    this.#events = watch((command, args, options) => this.#ask(command, args, options), 'one', [], {
      signal: this.#stop.signal,
      timeoutMs: 60_000,
    });
  }

  async play(input: Input): Promise<void> {
    for (let i = 0; i < MAX_ACTIONS && !input.isEmpty; i++) {
      await this.#act(input.below(ANSWERINGS), input);
      await this.#time.settle();
      const polls = this.#questions.filter(({ command }) => command === NEXT);
      check(polls.length <= MAX_UNACKNOWLEDGED, 'too much is asked for at once');
    }
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#time.settle();
    this.#take();
    await this.#time.pass(2_000);
    check(this.#isOver || !this.#isTaking, 'who watches is not told of the end');
    check(this.#questions.length === 0, 'the peer is asked on');
    check(this.#time.timers.size === 0, 'a timer is left');
  }

  async #act(action: number, input: Input): Promise<void> {
    switch (action) {
      case Answering.GIVE: {
        const question = this.#pick(input.byte());
        if (question !== undefined) this.#give(question);
        break;
      }
      case Answering.LIE: {
        const question = this.#pick(input.byte());
        const lie = input.byte();
        if (question !== undefined) this.#lie(question, lie);
        break;
      }
      case Answering.SAY: {
        const question = this.#pick(input.byte());
        const decoded = decodeCbor(input.block());
        if (question === undefined || !decoded.ok) break;
        this.#isOdd = true;
        this.#settle(question, decoded.value);
        break;
      }
      case Answering.TAKE:
        this.#take();
        break;
      case Answering.WAIT:
        await this.#time.pass(1 + Math.floor(input.byte() ** 1.9));
        break;
      case Answering.FLOOD: {
        const lie = input.byte();
        const before = this.#asked;
        while (this.#questions.length > 0) {
          for (const question of [...this.#questions]) this.#lie(question, lie);
          await this.#time.settle();
          check(this.#asked - before < MAX_FLOOD, 'a peer that answers at once keeps the watcher busy');
        }
        break;
      }
      case Answering.LEAVE:
        this.#isOver ||= !this.#isTaking;
        void this.#events.return();
        break;
      case Answering.ABORT:
        this.#stop.abort();
        break;
    }
  }

  #pick(which: number): Question | undefined {
    return this.#questions[which % Math.max(1, this.#questions.length)];
  }

  #settle(question: Question, answer: CborValue | UdpToolError): void {
    if (question.command === WATCH && typeof answer === 'number') this.#begin(answer);
    if (question.command === NEXT && question.args[0] === this.#lastId && Array.isArray(answer))
      this.#given.add(Number(answer[0]));
    question.settle(answer);
  }

  #begin(id: number): void {
    this.#lastId = id;
    this.#next = 1;
    this.#given = new Set();
    this.#isOdd = false;
  }

  #give(question: Question): void {
    if (question.command === WATCH) this.#settle(question, this.#lastId + 1);
    else if (question.command === NEXT && question.args[0] === this.#lastId)
      this.#settle(question, [this.#next, 0, this.#next++]);
    else this.#settle(question, null);
  }

  #lie(question: Question, lie: number): void {
    const item = (seq: number, missed = 0): CborValue => [seq, missed, seq];
    const kind = lie % 12;
    if (kind < ERRORS.length) {
      question.settle(new UdpToolError(ERRORS[kind] as (typeof ERRORS)[number], 'lied'));
      return;
    }
    if (question.command === WATCH) {
      this.#settle(question, this.#lastId + 1);
      return;
    }
    const items: CborValue[] = [
      [],
      null,
      item(1),
      item(this.#next + 1 + (lie >> 4)),
      item(this.#next++, 3),
      [this.#next++, 0, 'code', 'text'],
      [this.#next, 0],
      item(this.#next - 1 || 1),
    ];
    this.#settle(question, items[kind - ERRORS.length] as CborValue);
  }

  #take(): void {
    if (this.#isTaking || this.#isOver) return;
    this.#isTaking = true;
    this.#events.next().then(
      ({ done, value }) => {
        this.#isTaking = false;
        if (done === true) this.#isOver = true;
        else this.#expectEvent(value);
      },
      (error: unknown) => {
        this.#isTaking = false;
        this.#isOver = true;
        check(error instanceof UdpToolError, `a watch fails with ${String(error)}`);
      },
    );
  }

  #expectEvent(event: WatchEvent): void {
    if (event.type === 'gap' && event.missed === undefined) this.#seen = 0;
    if (event.type !== 'value' && event.type !== 'error') return;
    this.#seen++;
    if (event.type === 'value' && !this.#isOdd)
      check(event.value === this.#seen, `value ${String(event.value)} came as item ${this.#seen}`);
  }

  async #ask(
    command: string,
    args: readonly CborValue[],
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<{ readonly value: CborValue }> {
    this.#asked++;
    if (command === NEXT) this.#expectNext(args);
    return new Promise((done, fail) => {
      const settle = (answer: CborValue | UdpToolError): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        this.#questions = this.#questions.filter((one) => one !== question);
        if (answer instanceof UdpToolError) fail(answer);
        else done({ value: answer });
      };
      const abort = (): void => settle(new UdpToolError('aborted', 'aborted'));
      const timer = setTimeout(() => settle(new UdpToolError('no-answer', 'late')), timeoutMs);
      const question: Question = { command, args, settle };
      signal.addEventListener('abort', abort);
      if (signal.aborted) abort();
      else this.#questions.push(question);
    });
  }

  /** Only what came is said to have come. */
  #expectNext([id, upTo, beyond]: readonly CborValue[]): void {
    check(id === this.#lastId, 'another watch is asked for than the newest');
    const numbers = beyond as readonly number[];
    check(
      numbers.length <= MAX_UNACKNOWLEDGED && numbers.every((seq) => seq > (upTo as number)),
      'numbers are out of order',
    );
    for (let seq = 1; seq <= (upTo as number); seq++)
      check(this.#given.has(seq), 'what never came is said to be there');
    for (const seq of numbers) check(this.#given.has(seq), 'what never came is said to be there');
  }
}
