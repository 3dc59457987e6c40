import { appendFile } from 'node:fs/promises';
import { createInterface, type Interface } from 'node:readline';
import type { Command } from 'commander';
import {
  builtinCommands,
  Courier,
  createEndpoint,
  fetchMail,
  type Message,
  type MessageStore,
  messageCommands,
  type RemotePeer,
  type UdpEndpoint,
  UdpToolError,
} from '../index.ts';
import { aborted, type KeyOptions } from './context.ts';
import { EXIT } from './exit-code.ts';
import { chooseCorrespondent, openMessages, showMessage } from './messages.ts';
import { keysOption, portOption } from './options.ts';
import { aboveLine, forPeople, json, note } from './output.ts';

interface ChatOptions extends KeyOptions {
  readonly port: number;
  readonly history?: string;
  readonly json?: boolean;
}

/** How long a peer holds our question for mail; so it is known to be there that often. */
const MAIL_WAIT_S = 20;
const MAIL_TIMEOUT_MS = 5_000;
const ASK_AGAIN_MS = 2_000;
/** Whoever asks us for mail does so that often; silent for longer, he is away. */
const HEARD_FOR_MS = 1_500 * MAIL_WAIT_S;
/** At the end of the input: what was typed last may still be on its way. */
const LAST_CHANCE_MS = 5_000;

export function addChat(program: Command): void {
  program
    .command('chat [peer]')
    .description('write to and fro with a peer; what is typed while it is away is kept and delivered later')
    .addOption(portOption())
    .option('--history <file>', 'append everything to that file, a JSON object a line, readable')
    .addOption(keysOption())
    .option('--json', 'one object a line: message, delivered, presence; lines on stdin are sent')
    .action(async (name: string | undefined, options: ChatOptions) => {
      const { keyPair, peers, messages } = await openMessages(options);
      const chosen = chooseCorrespondent(peers, name);
      const stop = new AbortController();
      const endpointOptions = {
        keyPair,
        peers,
        commands: [...builtinCommands, ...messageCommands({ store: messages })],
        onRequest: (log: { readonly peer: string }) => {
          if (log.peer === chosen.name) chat.heard();
        },
      };
      await using endpoint = await openPort(endpointOptions, options.port);
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
    await this.#messages.watch('outbox', () => void this.#tellDelivered(), signal);
    await Courier.start({ endpoint, store: this.#messages }, signal);
    this.#showNew();
    const fetching = this.#peer.at === undefined ? Promise.resolve() : this.#fetch();

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
      if (this.#isHere === false) this.#say(`(kept until "${this.#peer.name}" is there)`);
      void this.#tellDelivered(); // it may have been fetched already
    } catch (error) {
      if (!(error instanceof UdpToolError)) throw error;
      this.#say(error.message);
      process.exitCode = EXIT.FAILED;
    }
  }

  /** Whoever brought it, this process or a `serve` beside it: what waits no longer has arrived. */
  async #tellDelivered(): Promise<void> {
    const left = new Set((await this.#messages.waiting(this.#peer.publicKey)).map(({ id }) => id));
    for (const id of [...this.#waiting].filter((one) => !left.has(one))) {
      this.#waiting.delete(id);
      if (this.#options.json) json({ event: 'delivered', id });
      else if (this.#terminal) this.#say(forPeople.dim('✓ delivered'));
    }
    if (this.#waiting.size === 0) this.#onSettled();
  }

  #showNew(): void {
    this.#showing = this.#showing.then(async () => {
      for (const message of await this.#messages.unread(this.#peer.publicKey)) {
        this.#print(() => showMessage(this.#peer.name, message, this.#options.json === true));
        await this.#remember('from', message);
        await this.#messages.markRead(message);
      }
    });
  }

  /** The peer may be one that cannot reach us: what it has for us is fetched, and waited for there. */
  async #fetch(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        // At first without waiting, so that it is known soon whether it is there.
        const wait = this.#isHere === true ? MAIL_WAIT_S : 0;
        const askedAt = performance.now();
        await fetchMail(this.#peer, this.#messages, wait, { timeoutMs: MAIL_TIMEOUT_MS, signal });
        this.#present(true);
        // It answers one of us at a time: another chat of ours may have asked as well.
        if (wait > 0 && performance.now() - askedAt < ASK_AGAIN_MS) await pause(ASK_AGAIN_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#present(false);
        if (error instanceof UdpToolError && error.code === 'unknown-command') {
          this.#say(
            `"${this.#peer.name}" has no mail for this machine: its udp-tool is older, or "peer allow" lacks mail there.`,
          );
          return;
        }
        await pause(ASK_AGAIN_MS, signal);
      }
    }
  }

  #present(isHere: boolean): void {
    if (this.#isHere === isHere || this.#stop.signal.aborted) return;
    this.#isHere = isHere;
    if (this.#options.json) json({ event: 'presence', here: isHere });
    else this.#say(forPeople.dim(`("${this.#peer.name}" is ${isHere ? 'here' : 'away'})`));
  }

  /** Waits a moment for what is on its way. */
  async #lastChance(): Promise<void> {
    if (this.#waiting.size === 0 || this.#stop.signal.aborted) return;
    const settled = new Promise<void>((done) => {
      this.#onSettled = done;
    });
    void this.#tellDelivered();
    await Promise.race([settled, pause(LAST_CHANCE_MS, this.#stop.signal)]);
  }

  async #remember(direction: 'from' | 'to', { text, writtenAt }: Message): Promise<void> {
    const { history } = this.#options;
    if (history === undefined) return;
    const line = JSON.stringify({
      [direction]: this.#peer.name,
      at: new Date(writtenAt).toISOString(),
      text,
    });
    await appendFile(history, `${line}\n`, { mode: 0o600 });
  }

  #say(text: string): void {
    this.#print(() => note(text));
  }

  #print(print: () => void): void {
    if (this.#terminal) aboveLine(this.#lines, print);
    else print();
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        done();
      },
      { once: true },
    );
  });
}
