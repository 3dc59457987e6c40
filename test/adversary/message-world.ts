/** Alice writes messages to Bob, and both have a disk, which is there when their processes are not. */
import { setImmediate } from 'node:timers/promises';
import { errorForPeer, UdpToolError } from '../../src/errors.ts';
import { messageCommands } from '../../src/messages/commands.ts';
import { type Correspondent, deliver } from '../../src/messages/delivery.ts';
import type { Message } from '../../src/messages/message.ts';
import type { MessageStore } from '../../src/messages/message-store.ts';
import type { ProtocolMachineOptions } from '../../src/protocol-machine.ts';
import type { Outcome } from '../../src/rpc/outcome.ts';
import type { Peer } from '../../src/session/peer.ts';
import type { CborValue } from '../../src/wire/cbor.ts';
import type { Host } from './host.ts';
import { violated } from './properties.ts';
import { World } from './world.ts';

const TIMEOUT_MS = 5_000;
const STEP_MS = 20;
const NEVER = new AbortController().signal;

/** What a MessageStore does with files, without: a message is there once it says so, and known by its id. */
class Disk {
  readonly outbox: Message[] = [];
  readonly inbox = new Map<string, Message>();
  /** Of who gets what this one sends. */
  other: Disk | null = null;

  async firstWaiting(): Promise<Message | undefined> {
    return this.outbox[0];
  }

  async receive(message: Message): Promise<'new' | 'known'> {
    if (this.inbox.has(message.id)) return 'known';
    this.inbox.set(message.id, message);
    return 'new';
  }

  async settled({ id }: Message): Promise<void> {
    const place = this.outbox.findIndex((message) => message.id === id);
    if (place < 0) return;
    const [message] = this.outbox.splice(place, 1);
    const kept = this.other?.inbox.get(id);
    if (kept?.text !== message?.text)
      violated(
        'messages are kept',
        `message ${id} was acknowledged, and ${kept ? 'is another' : 'not kept'}`,
      );
  }
}

const disks = new WeakMap<Host, Disk>();

function diskOf(host: Host): Disk {
  const disk = disks.get(host) ?? new Disk();
  disks.set(host, disk);
  return disk;
}

export class MessageWorld extends World {
  readonly #aliceDisk = diskOf(this.alice);
  readonly #bobDisk = diskOf(this.bob);
  readonly #written: string[] = [];
  /** In which run of Alice's something is being delivered. */
  #deliveringIn = 0;
  #error: unknown = null;

  constructor(seed: number) {
    super(seed);
    this.#aliceDisk.other = this.#bobDisk;
  }

  get areAllDelivered(): boolean {
    return this.#aliceDisk.outbox.length === 0;
  }

  get delivered(): number {
    return this.#bobDisk.inbox.size;
  }

  /** It waits on Alice's disk. */
  write(length: number): void {
    const id = Buffer.from(this.prng.bytes(16)).toString('hex');
    const text = `${id} `.repeat(Math.ceil(length / 33));
    this.#written.push(id);
    this.#aliceDisk.outbox.push({
      id,
      peer: this.bob.keyPair.publicKey,
      text,
      writtenAt: this.#written.length,
    });
  }

  /** Alice tries to bring what waits, unless she is at it. */
  bring(): void {
    const { run } = this.alice;
    if (this.#deliveringIn === run) return;
    this.#deliveringIn = run;
    const over = (): void => {
      if (this.#deliveringIn === run) this.#deliveringIn = 0;
    };
    const store = this.#aliceDisk as unknown as MessageStore;
    deliver(this.#bobAsSeen(), store, { timeoutMs: TIMEOUT_MS }).then(over, (error: unknown) => {
      over();
      if (!(error instanceof UdpToolError)) this.#error ??= error;
    });
  }

  /** Lets happen what happens at once in processes. */
  async settle(): Promise<void> {
    await setImmediate();
    for (const host of this.hosts) this.collect(host);
    if (this.#error !== null) throw this.#error;
  }

  /** Everything arrives. */
  async leaveAlone(): Promise<void> {
    for (const host of this.hosts) host.address = host.home;
    for (const run of this.running.splice(0)) run();
    for (const sent of this.underway.splice(0)) {
      const to = this.recipientOf(sent);
      if (to !== undefined) this.deliver(sent, to, sent.by.address);
    }
    this.pass(STEP_MS);
    await this.settle();
  }

  /** Each is there once, as it was written, and they came in order. */
  expectAll(): void {
    const came = [...this.#bobDisk.inbox.keys()];
    if (came.join() !== this.#written.join())
      violated(
        'messages are kept',
        `${this.#written.length} were written, and ${came.length} came, or in another order`,
      );
  }

  protected override optionsOf(host: Host): ProtocolMachineOptions {
    const options = super.optionsOf(host);
    const store = diskOf(host) as unknown as MessageStore;
    const commands = new Map(messageCommands({ store }).map((command) => [command.name, command]));
    return {
      ...options,
      command: (peer, name) => commands.get(name) ?? options.command(peer, name),
      execute: (call, done) => {
        const { command, args, peer } = call;
        if (!commands.has(command.name)) {
          options.execute(call, done);
          return;
        }
        const { machine } = host;
        const answer = (outcome: Parameters<typeof done>[0]): void => {
          if (host.machine === machine) this.acting(host, () => done(outcome));
        };
        const context = { args, peer: { name: '', publicKey: peer.publicKey }, signal: NEVER, commands: [] };
        Promise.resolve(command.run(context as never) as Promise<CborValue>).then(
          (value) => answer({ ok: true, value }),
          (error) => answer({ ok: false, error: errorForPeer('command-failed', String(error)) }),
        );
      },
    };
  }

  #bobAsSeen(): Correspondent {
    const { alice, bob } = this;
    const peer = alice.peers.get(bob) as Peer;
    return {
      name: bob.name,
      publicKey: bob.keyPair.publicKey,
      request: (command, args = [], { timeoutMs = TIMEOUT_MS } = {}) =>
        new Promise((resolve, reject) => {
          const settle = (outcome: Outcome): void => {
            if (outcome.ok) resolve({ value: outcome.value, roundTripMs: 0, tries: 1 });
            else reject(outcome.error);
          };
          this.acting(alice, () =>
            alice.requests.client.request({ peer, command, args, timeoutMs, settle }, this.now),
          );
        }),
    };
  }
}
