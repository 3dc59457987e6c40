/** A push that comes in (PROTOCOL §10.3): a peer that lies about what it offers and gives, an owner who decides, and a disk. */
import { equalBytes, toHex } from '../../../src/bytes.ts';
import { PublicKey } from '../../../src/crypto/keys.ts';
import { CHUNK_BYTES, TreeBuilder } from '../../../src/files/content-tree.ts';
import { encodeEntry, type ManifestEntry, ManifestReader } from '../../../src/files/manifest.ts';
import type { Offer, Subject } from '../../../src/files/offer.ts';
import type { RemotePeer, StreamRequest } from '../../../src/remote-peer.ts';
import type { IncomingPush, IncomingState } from '../../../src/sharing/incoming-push.ts';
import { readQuestion } from '../../../src/sharing/offer-list.ts';
import { decodePushState } from '../../../src/sharing/push-state.ts';
import { Receiver } from '../../../src/sharing/receiver.ts';
import type { StreamResult } from '../../../src/streams/asked-stream.ts';
import { MemoryDisk } from '../memory-disk.ts';
import { block, check, Input, same, type Target } from '../target.ts';
import { VirtualTime } from '../virtual-time.ts';

const MAX_ACTIONS = 32;
const MAX_PUSHES = 8;
const MAX_ROUNDS = 200;
const MAX_ASKS_AT_ONCE = 256;
/** Who gives nothing for longer is asked no more. */
const PATIENCE_MS = 50_000;
const ROUTE = { process: 1n };
const CODES = ['unknown', 'changed', 'refused', 'busy', 'failed'] as const;
const NAMES = ['a.txt', 'b', 'note.txt'];

/** By the first byte of each action modulo their number. */
const Action = {
  PUSH: 0,
  /** All that is asked for is given. */
  GIVE: 1,
  /** One thing that is asked for is given, wrongly or not at all. */
  ANSWER: 2,
  DECIDE: 3,
  PAUSE: 4,
  RESUME: 5,
  CANCEL: 6,
  WAIT: 7,
  FAIL: 8,
  STOP: 9,
  /** A folder with a manifest of anything is pushed. */
  PUSH_MANIFEST: 10,
} as const;
const ACTIONS = Object.keys(Action).length;

interface Blob {
  readonly id: Uint8Array;
  readonly bytes: Uint8Array;
  readonly nodes: ReadonlyMap<string, Uint8Array>;
}

function blobOf(bytes: Uint8Array): Blob {
  const nodes = new Map<string, Uint8Array>();
  const builder = new TreeBuilder(
    (level, index, content) => void nodes.set(`${level}/${index}`, content.slice()),
  );
  for (let at = 0; at === 0 || at < bytes.length; at += CHUNK_BYTES)
    builder.add(bytes.subarray(at, at + CHUNK_BYTES));
  return { id: builder.finish(bytes.length), bytes, nodes };
}

let common: { readonly blobs: readonly Blob[]; readonly manifests: readonly Uint8Array[] } | undefined;

/** Made when they are wanted first. */
function things(): NonNullable<typeof common> {
  if (common !== undefined) return common;
  const [small, empty, large] = [5, 0, CHUNK_BYTES + 7].map((length) =>
    blobOf(new Uint8Array(length).fill(3)),
  ) as [Blob, Blob, Blob];
  const file = (path: string, { id, bytes }: Blob): ManifestEntry => ({
    ...{ kind: 'file', path, size: bytes.length, mtimeMs: 1_700_000_000_000, isExecutable: false, id },
  });
  const folder = (path: string): ManifestEntry => ({ kind: 'folder', path, mtimeMs: 0 });
  const manifests = [
    [file('a', small), folder('d'), file('d/a', small), file('d/e', empty)],
    [],
    // On a disk that tells no capitals from small letters, one of them would be the other.
    [file('A', small), file('a', empty)],
  ].map((entries) => Buffer.concat(entries.map(encodeEntry)));
  common = { blobs: [small, empty, large], manifests };
  return common;
}

export const pushes: Target = {
  name: 'pushes',
  seeds: () => {
    const push = (offer: number, lie = 0): number[] => [Action.PUSH, offer, 1, lie, 0];
    const wait = (time: number): number[] => [Action.WAIT, time];
    const [yes, no] = [
      [Action.DECIDE, 0, 1],
      [Action.DECIDE, 0, 0],
    ];
    const pause = [Action.PAUSE, 0];
    const resume = [Action.RESUME, 0];
    const cancel = [Action.CANCEL, 0];
    const give = [Action.GIVE];
    return [
      ...[0, 1, 2, 3, 4, 5].map((offer) => [push(offer), give, yes, give, give, push(offer)]),
      ...[0, 1, 2, 3, 4, 5, 6, 7].map((lie) => [push(3, lie), give, yes, give, give]),
      ...[0, 2].flatMap((offer) =>
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((how) => [
          ...[push(offer), yes, [Action.ANSWER, 0, how], give, wait(60), give],
        ]),
      ),
      [push(2), yes, [Action.ANSWER, 0, 0], pause, wait(5), resume, give, give],
      [push(3), give, cancel, push(3), give, no, push(3), [Action.STOP]],
      [...new Array<number[]>(10).fill(push(0)), wait(255), wait(255)],
      ...[2, 8, 14, 20].map((after) => [push(3), give, [Action.FAIL, after], yes, give, give]),
      ...things().manifests.map((bytes) => [
        ...[[Action.PUSH_MANIFEST, 0, ...block(bytes)], give, yes, give, give],
      ]),
    ].map((actions) => Uint8Array.from(actions.flat()));
  },
  words: () => [
    ...['con', '..', 'a/b', 'ö', 'A'].map((name) => Uint8Array.from(Buffer.from(name))),
    Uint8Array.of(Action.DECIDE, 0, 1, Action.GIVE, Action.GIVE),
  ],
  maxBytes: 500,
  work: { base: 1_000_000, perByte: 60_000 },
  memory: { base: 32 * 1024 * 1024, perByte: 2 * 1024 * 1024 },
  run: (input) =>
    VirtualTime.run(async (time) => {
      using disk = new MemoryDisk();
      const scene = new Scene(time, disk);
      await scene.play(new Input(input));
      await scene.end();
    }),
};

interface Ask {
  readonly request: StreamRequest;
  readonly settle: (result: StreamResult) => void;
}

class Scene {
  readonly #time: VirtualTime;
  readonly #disk: MemoryDisk;
  readonly #into: string;
  readonly #stop = new AbortController();
  readonly #receiver: Receiver;
  readonly #peer: RemotePeer;
  readonly #blobs = new Map<string, Blob>();
  #asks: Ask[] = [];
  #decisions: { readonly offer: Offer; readonly decide: (wants: boolean) => void }[] = [];
  /** Of what its owner said yes to, by id. */
  readonly #wanted = new Set<string>();
  readonly #unfinished = new Set<string>();
  readonly #states = new Map<IncomingPush, IncomingState>();
  readonly #done: Offer[] = [];
  #answering = 0;
  #waitedMs = 0;
  #finding: Error | null = null;
  /** Nobody lied, nothing was stopped, and the disk is in order. */
  #isHonest = true;

  constructor(time: VirtualTime, disk: MemoryDisk) {
    this.#time = time;
    this.#disk = disk;
    this.#into = `${disk.path}/into`;
    disk.folders.add(this.#into);
    disk.add(`${this.#into}/note.txt`).put(Buffer.from('mine'), 0);
    disk.add(`${disk.path}/note.txt`).put(Buffer.from('mine'), 0);
    for (const blob of things().blobs) this.#blobs.set(toHex(blob.id), blob);
    this.#peer = {
      name: 'mallory',
      publicKey: PublicKey.fromBytes(new Uint8Array(32).fill(9)),
      ask: (request: StreamRequest) => {
        this.#noting(() => this.#expectAsk(request));
        return this.#onAsk(request);
      },
    } as unknown as RemotePeer;
    this.#receiver = new Receiver({
      into: this.#into,
      signal: this.#stop.signal,
      now: () => time.now,
      decide: ({ offer }, signal) => this.#onDecide(offer, signal),
      onDone: (_peer, offer, path) => this.#noting(() => this.#onDone(offer, path)),
      onChange: (push) => this.#noting(() => this.#onChange(push)),
    });
  }

  async play(input: Input): Promise<void> {
    for (let i = 0; i < MAX_ACTIONS && !input.isEmpty; i++) {
      await this.#act(input.below(ACTIONS), input);
      await this.#settle();
      const running = this.#receiver.pushes.filter(({ state }) => !isOver(state));
      check(running.length <= MAX_PUSHES, 'too many pushes are taken at once');
      check(this.#asks.length <= MAX_ASKS_AT_ONCE * MAX_PUSHES, 'too much is asked for at once');
      this.#expectDisk();
    }
  }

  async end(): Promise<void> {
    if (this.#isHonest) await this.#expectGood();
    this.#stop.abort();
    await this.#settle();
    for (const { decide } of this.#decisions.splice(0)) decide(false);
    await this.#settle();
    await this.#time.pass(2_000);
    check(this.#asks.length === 0, 'what nobody wants is asked for');
    check(this.#answering === 0, 'a peer is not answered');
    check(
      this.#receiver.pushes.every(({ state }) => isOver(state)),
      'a push goes on',
    );
    check(this.#time.timers.size === 0, 'a timer is left');
    check(this.#disk.hasFailed || !this.#disk.names.some((name) => name.includes('lock-')), 'a lock is left');
    this.#expectDisk();
  }

  /** Where all is as it should be, what is wanted comes. */
  async #expectGood(): Promise<void> {
    for (let round = 0; ; round++) {
      check(round < MAX_ROUNDS, 'a push has no end');
      for (const push of this.#receiver.pushes) push.resume();
      for (const { offer, decide } of this.#decisions.splice(0)) this.#decide(offer, decide, true);
      this.#give();
      await this.#settle();
      if (this.#receiver.pushes.every(({ state }) => isOver(state))) break;
      await this.#time.pass(100);
    }
    for (const { state, offer } of this.#receiver.pushes)
      check(state !== 'failed' || offer.name.startsWith('odd'), `what is in order is not taken`);
  }

  async #act(action: number, input: Input): Promise<void> {
    switch (action) {
      case Action.PUSH: {
        const which = input.byte();
        const number = input.below(4);
        const lie = input.below(16);
        this.#push(this.#offer(which, lie, input.byte()), number);
        break;
      }
      case Action.PUSH_MANIFEST: {
        const lie = input.below(16);
        const offer = this.#folder('odd', Uint8Array.from(input.block()));
        this.#push(this.#lied(offer, lie % 4 === 3 ? lie : 0, lie), 1);
        break;
      }
      case Action.GIVE:
        this.#give();
        break;
      case Action.ANSWER: {
        const which = input.byte();
        const ask = this.#asks[which % Math.max(1, this.#asks.length)];
        const how = input.byte();
        if (ask !== undefined) this.#answer(ask, how);
        break;
      }
      case Action.DECIDE: {
        const at = input.byte() % Math.max(1, this.#decisions.length);
        const wants = input.below(2) === 1;
        const [decision] = this.#decisions.splice(at, 1);
        if (decision !== undefined) this.#decide(decision.offer, decision.decide, wants);
        break;
      }
      case Action.PAUSE:
        this.#pick(input.byte())?.pause();
        break;
      case Action.RESUME:
        this.#pick(input.byte())?.resume();
        break;
      case Action.CANCEL:
        this.#pick(input.byte())?.cancel();
        break;
      case Action.WAIT: {
        const ms = 1 + Math.floor(input.byte() ** 1.9);
        this.#waitedMs += ms;
        if (this.#waitedMs > PATIENCE_MS) this.#isHonest = false;
        await this.#time.pass(ms);
        break;
      }
      case Action.FAIL:
        this.#disk.failsAfter = input.below(32);
        this.#isHonest = false;
        break;
      case Action.STOP:
        this.#stop.abort();
        this.#isHonest = false;
        break;
    }
  }

  #offer(which: number, lie: number, by: number): Offer {
    const { blobs, manifests } = things();
    const kind = which % 6;
    if (kind >= 3) return this.#lied(this.#folder('folder', manifests[kind - 3] as Uint8Array), lie, by);
    const { id, bytes } = blobs[kind] as Blob;
    const name = NAMES[kind] as string;
    const offer: Offer = {
      kind: 'file',
      name,
      size: bytes.length,
      files: 1,
      id,
      mtimeMs: 5,
      isExecutable: false,
    };
    return this.#lied(offer, lie, by);
  }

  #lied(offer: Offer, lie: number, by: number): Offer {
    const told = lied(offer, lie, by);
    if (told !== offer) this.#isHonest = false;
    return told;
  }

  /** As it should be offered, if its manifest can be read. */
  #folder(name: string, manifest: Uint8Array): Offer {
    const blob = blobOf(manifest);
    this.#blobs.set(toHex(blob.id), blob);
    const reader = new ManifestReader();
    reader.push(manifest);
    const { files, bytes } = reader;
    return {
      kind: 'folder',
      name,
      size: bytes,
      files,
      id: blob.id,
      mtimeMs: 5,
      manifestSize: manifest.length,
    };
  }

  #push(offer: Offer, number: number): void {
    this.#answering++;
    void this.#receiver.onPush(this.#peer, { kind: 'push', offer, push: number }, ROUTE).then((bytes) => {
      this.#answering--;
      const told = decodePushState(bytes);
      check(told !== null, 'a peer is told what is no state');
      // Of two offers with one id, the first counts.
      const push = this.#receiver.pushes.find((one) => toHex(one.offer.id) === toHex(offer.id));
      check(
        told.doneBytes <= Math.max(offer.size, push?.offer.size ?? 0),
        'more is said to be there than there is of it',
      );
      if (told.state === 'done')
        check(
          this.#done.some(({ id }) => equalBytes(id, offer.id)),
          'what is not there is said to be done',
        );
    });
  }

  #pick(which: number): IncomingPush | undefined {
    const { pushes } = this.#receiver;
    return pushes[which % Math.max(1, pushes.length)];
  }

  #onDecide(offer: Offer, signal: AbortSignal): Promise<boolean> {
    return new Promise((decide) => {
      const decision = { offer, decide };
      signal.addEventListener('abort', () => {
        this.#decisions = this.#decisions.filter((one) => one !== decision);
        decide(false);
      });
      if (signal.aborted) decide(false);
      else this.#decisions.push(decision);
    });
  }

  #decide(offer: Offer, decide: (wants: boolean) => void, wants: boolean): void {
    if (wants) this.#wanted.add(toHex(offer.id));
    decide(wants);
  }

  #expectAsk({ subject, maxBytes }: StreamRequest): void {
    const question = readQuestion(subject);
    check(question?.kind === 'piece', 'something else is asked for than pieces');
    check(maxBytes <= CHUNK_BYTES, 'more is asked for than a piece has');
    // A folder's manifest is fetched to ask its owner; nothing else is. A folder may have the same file in it.
    const id = toHex(question.piece.blob);
    const isOfWanted = this.#receiver.pushes.some(
      ({ offer }) => this.#wanted.has(toHex(offer.id)) && (offer.kind === 'folder' || toHex(offer.id) === id),
    );
    const isManifest = this.#receiver.pushes.some(
      ({ offer }) => offer.kind === 'folder' && toHex(offer.id) === id,
    );
    check(isOfWanted || isManifest, 'a file is fetched before its owner wants it');
  }

  #onAsk(request: StreamRequest): Promise<StreamResult> {
    const { signal } = request;
    return new Promise((done) => {
      const settle = (result: StreamResult): void => {
        signal?.removeEventListener('abort', abort);
        this.#asks = this.#asks.filter((one) => one !== ask);
        done(result);
      };
      const abort = (): void => settle({ ok: false, reason: 'lost' });
      const ask: Ask = { request, settle };
      signal?.addEventListener('abort', abort);
      if (signal?.aborted) abort();
      else this.#asks.push(ask);
    });
  }

  #give(): void {
    for (const ask of [...this.#asks]) this.#settleWith(ask, this.#right(ask));
  }

  #settleWith({ request, settle }: Ask, bytes: Uint8Array | null): void {
    if (bytes === null) {
      settle({ ok: false, reason: 'refused', code: 'unknown' });
      return;
    }
    request.onBytes?.(bytes.length);
    settle({ ok: true, bytes: bytes.slice() });
  }

  /** What is asked for; null where it is nothing that the peer has. */
  #right({ request }: Ask): Uint8Array | null {
    const question = readQuestion(request.subject);
    if (question?.kind !== 'piece') return null;
    const piece: Subject = question.piece;
    const blob = this.#blobs.get(toHex(piece.blob));
    if (blob === undefined) return null;
    if (piece.kind === 'node') return blob.nodes.get(`${piece.level}/${piece.index}`) ?? null;
    return blob.bytes.subarray(piece.index * CHUNK_BYTES, (piece.index + 1) * CHUNK_BYTES);
  }

  #answer(ask: Ask, how: number): void {
    const right = this.#right(ask);
    const kind = how % 12;
    if (kind > 0) this.#isHonest = false;
    if (kind === 0) this.#settleWith(ask, right);
    else if (kind <= CODES.length)
      ask.settle({ ok: false, reason: 'refused', code: CODES[kind - 1] as string });
    else if (kind === 6) ask.settle({ ok: false, reason: 'lost' });
    else if (kind === 7) ask.settle({ ok: false, reason: 'invalid' });
    else {
      const wrong = Uint8Array.from(right ?? []);
      if (kind === 8 && wrong.length > 0)
        wrong[how % wrong.length] = (wrong[how % wrong.length] as number) ^ 1;
      if (kind === 9) this.#settleWith(ask, wrong.subarray(0, wrong.length - 1));
      else if (kind === 10)
        this.#settleWith(ask, things().blobs[how % 3]?.bytes.subarray(0, CHUNK_BYTES) ?? null);
      else this.#settleWith(ask, wrong);
    }
  }

  #onChange(push: IncomingPush): void {
    const before = this.#states.get(push);
    const { state } = push;
    const next = before === undefined ? ['asked'] : NEXT[before];

    check(next.includes(state), `a push is ${state} after ${before}`);
    this.#states.set(push, state);
    if (state === 'taking') check(this.#wanted.has(toHex(push.offer.id)), 'what nobody wants is taken');
    if (state === 'done')
      check(push.path !== null && push.doneBytes === push.offer.size, 'what is done is not there');
    const id = toHex(push.offer.id);
    // What was wanted and did not come as a whole stays for another try.
    if (state === 'failed' && this.#wanted.has(id)) this.#unfinished.add(id);
    if (isOver(state) && !this.#unfinished.has(id) && !this.#disk.hasFailed)
      check(!this.#disk.names.some((name) => name.includes(id)), `something is left of what is ${state}`);
  }

  /** It is there, whole, and what was offered. */
  #onDone(offer: Offer, path: string): void {
    this.#done.push(offer);
    const name = path.slice(this.#into.length + 1);
    check(path.startsWith(`${this.#into}/`) && !name.includes('/'), `it is put to ${path}`);
    if (offer.kind === 'file') {
      this.#expectFile(path, offer.id);
      return;
    }
    const reader = new ManifestReader();
    const entries = reader.push(this.#blobs.get(toHex(offer.id))?.bytes ?? new Uint8Array()) ?? [];
    check(reader.problem === null, 'a folder is taken whose manifest is refused');
    for (const entry of entries) {
      if (entry.kind === 'folder')
        check(this.#disk.folders.has(`${path}/${entry.path}`), 'a folder is not there');
      else this.#expectFile(`${path}/${entry.path}`, entry.id);
    }
    check(
      this.#disk.within(path).length === entries.length + 1,
      'there is more in a folder than was offered',
    );
  }

  #expectFile(path: string, id: Uint8Array): void {
    same(blobOf(this.#disk.get(path).bytes).id, id, 'a file is another one');
  }

  /** What is thrown to the code that is looked at would be an error to it. */
  #noting(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#finding ??= error as Error;
    }
  }

  /** What was there is there, and nothing is anywhere else than where pushes go. */
  #expectDisk(): void {
    if (this.#finding !== null) throw this.#finding;
    for (const folder of [this.#disk.path, this.#into])
      check(
        this.#disk.get(`${folder}/note.txt`).bytes.toString() === 'mine',
        'a file of its owner is another one',
      );
    for (const name of this.#disk.names) {
      const id = /partial-([0-9a-f]{64})/.exec(name)?.[1];
      check(id === undefined || this.#wanted.has(id), `${name} is there, and nobody wants it`);
      const isOurs = ['', 'note.txt', 'into', 'into/note.txt'].includes(name);
      check(isOurs || name.startsWith('into/'), `${name} is outside of where pushes go`);
      if (isOurs || name.startsWith('into/.udp-tool-partial-')) continue;
      const [, top = ''] = name.split('/');
      const isDone = this.#done.some((offer) => top.startsWith(offer.name.replace(/\.txt$/, '')));
      check(isDone || this.#disk.hasFailed, `${name} is there, and nothing of that name is done`);
    }
  }

  async #settle(): Promise<void> {
    // Each thing that a disk in memory does is there at once, and leads to others.
    for (let i = 0; i < 3; i++) await this.#time.settle();
  }
}

const NEXT: Readonly<Record<IncomingState, readonly IncomingState[]>> = {
  asked: ['taking', 'refused', 'failed', 'cancelled'],
  taking: ['paused', 'done', 'failed', 'cancelled'],
  paused: ['taking', 'done', 'failed', 'cancelled'],
  done: [],
  refused: [],
  failed: [],
  cancelled: [],
};

function isOver(state: IncomingState): boolean {
  return NEXT[state].length === 0;
}

/** The offer itself where `lie` is 0, or one that is none. */
function lied(offer: Offer, lie: number, by: number): Offer {
  switch (lie) {
    case 1:
      return { ...offer, size: offer.size + 1 + by };
    case 2:
      return { ...offer, size: Math.max(0, offer.size - 1 - by) };
    case 3:
      return offer.kind === 'folder' ? { ...offer, files: offer.files + 1 } : { ...offer, size: 2 ** 53 - 1 };
    case 4:
      return offer.kind === 'folder' ? { ...offer, manifestSize: offer.manifestSize + 1 + by } : offer;
    case 5:
      return offer.kind === 'folder'
        ? { ...offer, manifestSize: Math.max(0, offer.manifestSize - 1 - by) }
        : offer;
    case 6:
      return { ...offer, id: offer.id.map((byte, i) => (i === by % 32 ? byte ^ 1 : byte)) };
    case 7:
      return { ...offer, name: ['..', 'a/b', 'con', '.udp-tool-x', 'note.txt'][by % 5] as string };
    default:
      return offer;
  }
}
