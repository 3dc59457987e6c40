/** The watched side: runs what is watched whenever somebody waits for a value, and keeps values until they came. */
import { type CommandCall, commandError } from '../command-call.ts';
import { errorForPeer, type UdpToolError, withoutStacks } from '../errors.ts';
import type { RemotePeer } from '../remote-peer.ts';
import { type Command, isStream, parseArguments } from '../rpc/command.ts';
import { type CborValue, encodeCbor, MAX_DEPTH, tooLarge } from '../wire/cbor.ts';
import { ANSWER_DEPTH, MAX_ANSWER_BYTES } from '../wire/messages.ts';
import {
  encodeItem,
  FORGOTTEN_AFTER_MS,
  HEARTBEAT_MS,
  type ItemContent,
  MAX_UNACKNOWLEDGED,
  NEXT,
  type Numbered,
  parseNext,
  parseUnwatch,
  parseWatch,
  RESERVED,
  UNWATCH,
  WATCH,
} from './polls.ts';

export const MAX_WATCHES_PER_PEER = 16;
const MAX_ERROR_TEXT = 500;
/** Where nothing is said and the command gives one value. */
const DEFAULT_INTERVAL_MS = 5_000;

export interface WatchesOptions {
  /** The command of that name that this peer may call now. */
  readonly command: (peer: RemotePeer, name: string) => Command | undefined;
  readonly call: (args: Readonly<Record<string, CborValue>>, peer: RemotePeer) => CommandCall;
  readonly closing: AbortSignal;
  readonly random: (length: number) => Uint8Array;
}

/** What is to be watched. */
interface Subject {
  /** 0 where the command decides itself. */
  readonly everyMs: number;
  /** The command, asked for before each value: it may be taken away. @throws UdpToolError `unknown-command` */
  readonly find: () => Command;
  readonly args: Record<string, CborValue>;
}

/** All that is watched at one endpoint. */
export class Watches {
  readonly #options: WatchesOptions;
  readonly #watches = new Map<number, Watch>();
  /** Those that ended, and whose command has not ended yet. */
  readonly #lingering = new Set<Watch>();
  /** The commands by which each peer watches. */
  readonly #commands = new WeakMap<RemotePeer, ReadonlyMap<string, Command>>();
  #nextId: number;

  constructor(options: WatchesOptions) {
    this.#options = options;
    // A poll for a watch of before a restart must not meet another one.
    this.#nextId = options.random(6).reduce((id, byte) => 256 * id + byte, 0);
    options.closing.addEventListener('abort', () => {
      for (const watch of this.#watches.values()) watch.end();
    });
  }

  /** One of the commands by which a peer watches. */
  command(peer: RemotePeer, name: string): Command | undefined {
    let commands = this.#commands.get(peer);
    if (commands === undefined) this.#commands.set(peer, (commands = this.#commandsFor(peer)));
    return commands.get(name);
  }

  /** Ends what this peer watches. */
  forget(peer: RemotePeer): void {
    for (const watch of this.#watches.values()) if (watch.peer === peer) watch.end();
  }

  #commandsFor(peer: RemotePeer): ReadonlyMap<string, Command> {
    const commands = [
      command(
        WATCH,
        (values) => this.#subject(peer, values),
        (subject) => this.#open(peer, subject),
      ),
      command(NEXT, parseNext, ({ id, upTo, beyond }) => this.#find(peer, id)?.poll(upTo, beyond) ?? null),
      command(UNWATCH, parseUnwatch, ({ id }) => {
        this.#find(peer, id)?.end();
        return null;
      }),
    ];
    return new Map(commands.map((one) => [one.name, one]));
  }

  /** @throws UdpToolError `unknown-command`, `bad-arguments` */
  #subject(peer: RemotePeer, values: readonly CborValue[]): Subject {
    const { everyMs, name, args } = parseWatch(values);
    const find = (): Command => {
      const found = name.startsWith(RESERVED) ? undefined : this.#options.command(peer, name);
      if (found !== undefined) return found;
      throw errorForPeer('unknown-command', `There is no command "${name}" here. Try "help".`);
    };
    return { everyMs, find, args: parseArguments(find(), args) };
  }

  #open(peer: RemotePeer, { everyMs, find, args }: Subject): number {
    const ofPeer = [...this.#watches.values(), ...this.#lingering].filter((watch) => watch.peer === peer);
    if (ofPeer.length >= MAX_WATCHES_PER_PEER) {
      throw errorForPeer('busy', `You watch ${ofPeer.length} commands here already.`);
    }
    const id = this.#nextId++;
    const call = this.#options.call(args, peer);
    const watch: Watch = new Watch({
      peer,
      call,
      everyMs,
      find,
      onEnd: (settled) => {
        this.#watches.delete(id);
        this.#lingering.add(watch);
        void settled.then(() => this.#lingering.delete(watch));
      },
    });
    this.#watches.set(id, watch);
    return id;
  }

  #find(peer: RemotePeer, id: number): Watch | undefined {
    const watch = this.#watches.get(id);
    return watch?.peer === peer ? watch : undefined;
  }
}

interface Poll {
  readonly answer: (item: CborValue) => void;
  readonly heartbeat: NodeJS.Timeout;
}

interface WatchOptions extends Omit<Subject, 'args'> {
  readonly peer: RemotePeer;
  readonly call: CommandCall;
  /** @param settled once nothing of its command runs any more */
  readonly onEnd: (settled: Promise<void>) => void;
}

/** One command that one peer watches. It does nothing unless a poll waits: so a slow watcher slows it down. */
class Watch {
  readonly peer: RemotePeer;
  readonly #options: WatchOptions;
  /** Those without an answer, the oldest first. */
  readonly #polls: Poll[] = [];
  readonly #unacknowledged = new Map<number, Numbered>();
  /** Those of them that no poll was there for. */
  readonly #unsent: Numbered[] = [];
  readonly #forgotten: NodeJS.Timeout;
  #stream: AsyncIterator<CborValue> | null = null;
  #interval: NodeJS.Timeout | undefined;
  /** A value is wanted, as soon as a poll waits for it. */
  #due = true;
  /** The run of the command that is under way. */
  #running: Promise<void> | null = null;
  #over = false;
  #ended = false;
  #lastSeq = 0;
  #missed = 0;

  constructor(options: WatchOptions) {
    this.peer = options.peer;
    this.#options = options;
    this.#forgotten = setTimeout(() => this.end(), FORGOTTEN_AFTER_MS);
    this.#forgotten.unref();
    if (options.everyMs > 0) this.#repeat(options.everyMs);
  }

  /**
   * Waits for the next item.
   * @param upTo all items up to this number came
   * @param beyond and these beyond it
   */
  poll(upTo: number, beyond: readonly number[]): CborValue | Promise<CborValue> {
    this.#forgotten.refresh();
    // It would wait on for what it may not give, or give what was made before.
    if ((this.#running !== null || this.#unsent.length > 0) && !this.#isAllowed()) this.end();
    if (this.#ended) return encodeItem({ type: 'gone' });
    const newest = Math.max(upTo, ...beyond);
    for (const [seq, item] of this.#unacknowledged) {
      if (seq <= upTo || beyond.includes(seq)) this.#unacknowledged.delete(seq);
      // What was sent before something that came is on its way no longer.
      else if (seq < newest) return encodeItem(item);
    }
    const unsent = this.#unsent.shift();
    if (unsent !== undefined) return encodeItem(unsent);
    if (this.#polls.length >= MAX_UNACKNOWLEDGED) {
      throw errorForPeer('busy', 'Too many polls of this watch wait already.');
    }
    return new Promise((answer) => {
      const heartbeat = setTimeout(() => {
        this.#polls.splice(this.#polls.indexOf(poll), 1);
        answer(encodeItem({ type: 'nothing' }));
      }, HEARTBEAT_MS);
      heartbeat.unref();
      const poll: Poll = { answer, heartbeat };
      this.#polls.push(poll);
      this.#advance();
    });
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#forgotten);
    clearInterval(this.#interval);
    for (const { answer, heartbeat } of this.#polls) {
      clearTimeout(heartbeat);
      answer(encodeItem({ type: 'gone' }));
    }
    this.#options.call.abort(new Error('Nobody watches any more.'));
    this.#options.onEnd(this.#leave());
  }

  /** A generator that waits for something is left once that is there. */
  async #leave(): Promise<void> {
    try {
      await this.#stream?.return?.();
    } catch {
      // Nobody is there to be told.
    }
    await this.#running;
  }

  #advance(): void {
    const waits = this.#polls.length > 0 && this.#unacknowledged.size < MAX_UNACKNOWLEDGED;
    if (!this.#due || this.#running !== null || !waits) return;
    this.#running = this.#produce().then((content) => {
      this.#running = null;
      if (this.#ended) return;
      this.#give(content);
      this.#advance();
    });
  }

  async #produce(): Promise<ItemContent> {
    this.#due = false;
    if (this.#over) return { type: 'end' };
    try {
      const content = await this.#run(this.#options.find());
      this.#options.find(); // what is made after it was taken away is not told
      return content;
    } catch (error) {
      const { code, message } = error as UdpToolError;
      if (this.#stream !== null || code === 'unknown-command') this.#finish();
      return { type: 'error', code, text: errorText(message) };
    }
  }

  /** @throws UdpToolError what the command threw, as its caller may see it */
  async #run(command: Command): Promise<ItemContent> {
    try {
      return await (this.#stream === null ? this.#begin(command) : this.#nextOf(this.#stream));
    } catch (error) {
      throw commandError(error);
    }
  }

  /** Runs the command: for its value, or for the stream of all that follow. */
  #begin(command: Command): ItemContent | Promise<ItemContent> {
    if (this.#interval === undefined) this.#repeat(DEFAULT_INTERVAL_MS);
    const output = command.run(this.#options.call);
    if (!isStream(output)) return valueItem(output);
    this.#stream = output[Symbol.asyncIterator]();
    clearInterval(this.#interval);
    this.#missed = 0; // by an interval that is not meant for it
    return this.#nextOf(this.#stream);
  }

  async #nextOf(stream: AsyncIterator<CborValue>): Promise<ItemContent> {
    const { done, value } = await stream.next();
    if (done === true) return { type: 'end' };
    this.#due = true;
    return { type: 'value', value };
  }

  /** The next item is the end. */
  #finish(): void {
    clearInterval(this.#interval);
    this.#over = true;
    this.#due = true;
  }

  #isAllowed(): boolean {
    try {
      this.#options.find();
      return true;
    } catch {
      return false;
    }
  }

  #give(content: ItemContent): void {
    const item = sendable({ seq: ++this.#lastSeq, missed: this.#missed, ...content });
    this.#missed = 0;
    this.#unacknowledged.set(item.seq, item);
    const poll = this.#polls.shift();
    if (poll === undefined) {
      this.#unsent.push(item); // the poll that it was for has had its heartbeat meanwhile
      return;
    }
    clearTimeout(poll.heartbeat);
    poll.answer(encodeItem(item));
  }

  #repeat(everyMs: number): void {
    this.#interval = setInterval(() => {
      if (this.#due) this.#missed++;
      this.#due = true;
      this.#advance();
    }, everyMs);
    this.#interval.unref();
  }
}

/** The item, or where its value cannot be sent, an error in its place. */
function sendable(item: Numbered): Numbered {
  try {
    const { length } = withoutStacks(() =>
      encodeCbor(encodeItem(item), MAX_DEPTH - ANSWER_DEPTH, MAX_ANSWER_BYTES),
    );
    if (length <= MAX_ANSWER_BYTES) return item;
    throw tooLarge(MAX_ANSWER_BYTES);
  } catch (error) {
    const { code, message } = commandError(error);
    return { type: 'error', seq: item.seq, missed: item.missed, code, text: errorText(message) };
  }
}

/** As long as that of an ERROR, and of whole characters. */
function errorText(text: string): string {
  return text
    .slice(0, MAX_ERROR_TEXT)
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .replace(/^\ufeff+/, '');
}

async function valueItem(output: CborValue | Promise<CborValue>): Promise<ItemContent> {
  return { type: 'value', value: await output };
}

/** A command that is not listed, with arguments that specs cannot describe. */
function command<Args extends object>(
  name: string,
  parse: (values: readonly CborValue[]) => Args,
  run: (args: Args) => CborValue | Promise<CborValue>,
): Command {
  return {
    name,
    summary: '',
    args: [],
    idempotent: false,
    parse: parse as unknown as NonNullable<Command['parse']>,
    run: ({ args }) => run(args as unknown as Args), // which `parse` made
  };
}
