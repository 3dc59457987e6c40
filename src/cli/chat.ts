import { appendFile } from 'node:fs/promises';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import {
  builtinCommands,
  Courier,
  createEndpoint,
  isTime,
  keepFetching,
  type Message,
  type MessageStore,
  messageCommands,
  type RemotePeer,
  type UdpEndpoint,
  UdpToolError,
  wipePresharedKeys,
} from '../index.ts';
import { aborted, type KeyOptions } from './context.ts';
import { EXIT } from './exit-code.ts';
import { chooseCorrespondent, openMessages, showMessage } from './messages.ts';
import { keysOption, portOption, toOption } from './options.ts';
import { aboveLine, forPeople, json, note } from './output.ts';

interface ChatOptions extends KeyOptions {
  readonly to?: string;
  readonly port: number;
  readonly history?: string;
  readonly json?: boolean;
}

/** Whoever asks us for mail does so every 20 s; silent for longer, he is away. */
const HEARD_FOR_MS = 30_000;
/** Errors after which another text may do. */
const OF_THE_TEXT: readonly string[] = ['bad-usage', 'too-large', 'not-cbor', 'spool-full'];
/** At the end of the input: what was typed last may still be on its way. */
const LAST_CHANCE_MS = 5_000;

export function addChat(program: Command): void {
  program
    .command('chat [peer]')
    .description('write to and fro with a peer; what is typed while it is away is kept and delivered later')
    .addOption(toOption())
    .addOption(portOption())
    .option('--history <file>', 'append everything to that file, a JSON object a line, readable')
    .addOption(keysOption())
    .option('--json', 'one object a line: message, delivered, presence; lines on stdin are sent')
    .action(async (name: string | undefined, options: ChatOptions) => {
      const { keyPair, peers, messages } = await openMessages(options);
      const chosen = chooseCorrespondent(peers, name ?? options.to);
      const stop = new AbortController();
      const endpointOptions = {
        keyPair,
        peers,
        commands: [
          ...builtinCommands,
          ...messageCommands({ store: messages, onTrouble: (text) => chat.say(text) }),
        ],
        onRequest: (log: { readonly peer: string }) => {
          if (log.peer === chosen.name) chat.heard();
        },
      };
      await using endpoint = await openPort(endpointOptions, options.port);
      wipePresharedKeys(peers);
      const chat = new Chat(endpoint.peer(chosen.name), messages, options, stop);
      await chat.run(endpoint);
    });
}

/** With the port that others know; where `serve` has it, that takes what comes, and another will do to ask. */
async function openPort(options: Parameters<typeof createEndpoint>[0], at: number): Promise<UdpEndpoint> {
  try {
    return await createEndpoint({ ...options, port: at });
  } catch (error) {
    if (!(error instanceof UdpToolError) || error.code !== 'port-in-use') throw error;
    return createEndpoint({ ...options, commands: [] });
  }
}

class Chat {
  readonly #peer: RemotePeer;
  readonly #messages: MessageStore;
  readonly #options: ChatOptions;
  readonly #stop: AbortController;
  readonly #lines: Interface;
  readonly #terminal: boolean;
  readonly #inputEnded: Promise<void>;
  /** Typed here, and not with the peer yet. */
  readonly #waiting = new Set<string>();
  /** Typed and not on the disk yet. */
  #queued: Promise<void> = Promise.resolve();
  #isHere: boolean | null = null;
  #silence: NodeJS.Timeout | undefined;
  #showing: Promise<void> = Promise.resolve();
  #onSettled: () => void = () => {};
  #failure: { readonly error: unknown } | null = null;

  constructor(peer: RemotePeer, messages: MessageStore, options: ChatOptions, stop: AbortController) {
    this.#peer = peer;
    this.#messages = messages;
    this.#options = options;
    this.#stop = stop;
    this.#terminal = process.stdin.isTTY === true && process.stderr.isTTY === true;
    this.#lines = createInterface({
      input: process.stdin,
      output: process.stderr,
      terminal: this.#terminal,
      prompt: '> ',
    });
    // At once: what a pipe holds is read before anything else is set up.
    this.#lines.on('line', (line) => {
      if (line.trim() !== '') this.#queued = this.#queued.then(() => this.#send(line));
      if (this.#terminal) this.#lines.prompt();
    });
    this.#inputEnded = new Promise((done) => this.#lines.once('close', done));
  }

  async run(endpoint: UdpEndpoint): Promise<void> {
    const { signal } = this.#stop;
    if (this.#terminal) note(`Writing to "${this.#peer.name}". Ctrl-D or Ctrl-C leaves.`);
    await this.#messages.watch('inbox', () => this.#showNew(), signal);
    await this.#messages.watch('outbox', () => this.#lookWhatIsDelivered(), signal);
    await Courier.start({ endpoint, store: this.#messages }, signal);
    this.#showNew();
    // The peer may be one that cannot reach us: what it has for us is fetched, and waited for there.
    const fetching =
      this.#peer.at === undefined
        ? Promise.resolve()
        : keepFetching(this.#peer, this.#messages, signal, (isHere) => this.#present(isHere)).catch((error) =>
            this.#tellNoMail(error),
          );

    this.#lines.on('SIGINT', () => this.#interrupt());
    process.once('SIGINT', () => this.#interrupt());
    process.once('SIGTERM', () => this.#interrupt());
    if (this.#terminal) this.#lines.prompt();
    await Promise.race([this.#inputEnded, aborted(signal)]);
    await this.#queued;
    await this.#lastChance();
    this.#stop.abort();
    clearTimeout(this.#silence);
    await fetching;
    await this.#showing;
    if (this.#terminal) note(''); // the shell's own prompt begins a line
    if (this.#failure !== null) throw this.#failure.error;
    if (this.#waiting.size > 0) {
      note(`${this.#waiting.size} kept for "${this.#peer.name}": see "udp-tool outbox".`);
      process.exitCode ??= EXIT.NO_ANSWER;
    }
  }

  /** The peer asked something, so it is there. */
  heard(): void {
    this.#present(true);
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#present(false), HEARD_FOR_MS);
    this.#silence.unref();
  }

  /** Beside what is being typed. */
  say(text: string): void {
    this.#print(() => note(text));
  }

  #interrupt(): void {
    process.exitCode = EXIT.INTERRUPTED;
    this.#stop.abort();
    this.#lines.close();
  }

  async #send(text: string): Promise<void> {
    try {
      const message = await this.#messages.queue(this.#peer.publicKey, text);
      this.#waiting.add(message.id);
      await this.#remember('to', message);
      if (this.#isHere === false) this.say(`(kept until "${this.#peer.name}" is there)`);
      this.#lookWhatIsDelivered(); // it may have been fetched already
    } catch (error) {
      if (!(error instanceof UdpToolError) || !OF_THE_TEXT.includes(error.code)) {
        this.#fail(error);
        return;
      }
      this.say(error.message);
      process.exitCode = EXIT.FAILED;
    }
  }

  /** Whoever brought it, this process or a `serve` beside it: what waits no longer has arrived. */
  async #tellDelivered(): Promise<void> {
    for (const id of [...this.#waiting]) {
      const fate = await this.#messages.fate({ peer: this.#peer.publicKey, id });
      if (fate === 'waiting' || !this.#waiting.delete(id)) continue;
      const isDelivered = fate === 'gone';
      if (this.#options.json) json({ event: isDelivered ? 'delivered' : 'discarded', id });
      else if (this.#terminal) this.say(forPeople.dim(isDelivered ? '✓ delivered' : '(thrown away)'));
    }
    if (this.#waiting.size === 0) this.#onSettled();
  }

  #lookWhatIsDelivered(): void {
    this.#tellDelivered().catch((error) => this.#fail(error));
  }

  #showNew(): void {
    const show = async (): Promise<void> => {
      for (const message of await this.#messages.unread(this.#peer.publicKey)) {
        this.#print(() => showMessage(this.#peer.name, message, this.#options.json === true));
        await this.#remember('from', message);
        await this.#messages.markRead(message);
      }
    };
    this.#showing = this.#showing.then(show).catch((error) => this.#fail(error));
  }

  #tellNoMail(error: unknown): void {
    if (!(error instanceof UdpToolError) || error.code !== 'unknown-command') {
      this.#fail(error);
      return;
    }
    const why = 'its udp-tool is older, or "peer allow" lacks mail there';
    this.say(`"${this.#peer.name}" has no mail for this machine: ${why}.`);
  }

  /** Nothing goes on after that. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#stop.abort();
    this.#lines.close();
  }

  #present(isHere: boolean): void {
    if (this.#isHere === isHere || this.#stop.signal.aborted) return;
    this.#isHere = isHere;
    if (this.#options.json) json({ event: 'presence', here: isHere });
    else this.say(forPeople.dim(`("${this.#peer.name}" is ${isHere ? 'here' : 'away'})`));
  }

  /** Waits a moment for what is on its way. */
  async #lastChance(): Promise<void> {
    if (this.#waiting.size === 0 || this.#stop.signal.aborted) return;
    const settled = new Promise<void>((done) => {
      this.#onSettled = done;
    });
    this.#lookWhatIsDelivered();
    const late = delay(LAST_CHANCE_MS, undefined, { signal: this.#stop.signal }).catch(() => {});
    await Promise.race([settled, late]);
  }

  async #remember(direction: 'from' | 'to', { text, writtenAt }: Message): Promise<void> {
    const { history } = this.#options;
    if (history === undefined) return;
    const at = isTime(writtenAt) ? new Date(writtenAt).toISOString() : null;
    const line = JSON.stringify({ [direction]: this.#peer.name, at, text });
    try {
      await appendFile(history, `${line}\n`, { mode: 0o600 });
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new UdpToolError('failed', `The history cannot be written: ${message}`, { cause });
    }
  }

  #print(print: () => void): void {
    if (this.#terminal) aboveLine(this.#lines, print);
    else print();
  }
}
