/** Asking: a peer's commands, one of them run, or watched. */
import { type CborValue, jsonSafe, type RemotePeer, readHelp, UdpToolError } from '../../index.ts';
import type { Action, Input } from '../action.ts';
import type { AnswerView, AskedView, CommandView, WatchValueView, WatchView } from '../api.ts';
import type { Feature, MachineSlot } from '../feature.ts';
import type { LiveHub, LiveLog, LiveMap } from '../live.ts';
import { errorView } from './errors.ts';

const MAX_WATCHES = 32;
const MAX_ARGUMENTS = 32;
const MAX_SHOWN_CHARACTERS = 2_000;
/** Of an answer, which is shown alone. */
const MAX_ANSWER_CHARACTERS = 100_000;

export class Ask implements Feature {
  readonly #slot: MachineSlot;
  readonly #answers: LiveLog<AskedView>;
  readonly #watches: LiveMap<WatchView>;
  readonly #values: LiveLog<WatchValueView>;
  readonly #running = new Map<number, AbortController>();
  #nextId = 1;

  constructor(hub: LiveHub, slot: MachineSlot) {
    this.#slot = slot;
    this.#answers = hub.log('answers', { kept: 100, atOnce: 100 });
    this.#watches = hub.map('watches');
    this.#values = hub.log('watchValues', { kept: 2_000, atOnce: 100 });
  }

  readonly actions: readonly Action[] = [
    { name: 'ask/help', isRead: true, run: (input, signal) => this.#help(input.text('peer', 64), signal) },
    { name: 'ask/run', run: (input, signal) => this.#run(input, signal) },
    { name: 'ask/watch', run: (input) => this.#watch(input) },
    {
      name: 'ask/unwatch',
      run: (input) => {
        const id = input.number('id', 1, Number.MAX_SAFE_INTEGER);
        this.#running.get(id)?.abort();
        this.#watches.delete(String(id));
      },
    },
  ];

  async #help(name: string, signal: AbortSignal): Promise<{ commands: readonly CommandView[] }> {
    const peer = this.#slot.machine.endpoint.peer(name);
    const { value } = await peer.request('help', [], { signal });
    const commands = readHelp(value);
    if (commands === null)
      throw new UdpToolError('failed', `"${name}" has a help of its own, from which no form can be made.`);
    return { commands: jsonSafe(commands as unknown as CborValue) as unknown as CommandView[] };
  }

  /** What comes of it is in the log, which every page shows, also one that comes later. */
  async #run(input: Input, signal: AbortSignal): Promise<void> {
    const peer = this.#slot.machine.endpoint.peer(input.text('peer', 64));
    const command = input.text('command', 64);
    const args = argumentsIn(input);
    const at = Date.now();
    const answer = await this.#answer(peer, command, args, signal);
    const id = this.#nextId++;
    const asked = { peer: peer.name, command, args: args.map((arg) => arg ?? null) as AskedView['args'] };
    this.#answers.add(() => ({ id, at, ...asked, answer }));
  }

  async #answer(
    peer: RemotePeer,
    command: string,
    args: readonly CborValue[],
    signal: AbortSignal,
  ): Promise<AnswerView> {
    try {
      const { value, roundTripMs, tries } = await peer.request(command, args, { signal });
      return { ok: true, value: shown(value, MAX_ANSWER_CHARACTERS), roundTripMs, tries };
    } catch (error) {
      return { ok: false, error: errorView(error) };
    }
  }

  #watch(input: Input): { id: number } {
    const { endpoint, signal } = this.#slot.machine;
    if (this.#running.size >= MAX_WATCHES)
      throw new UdpToolError('busy', `${MAX_WATCHES} things are watched already.`, {
        hint: 'End one of them.',
      });
    const peer = endpoint.peer(input.text('peer', 64));
    const command = input.text('command', 64);
    const args = argumentsIn(input);
    const everyMs = input.number('everyMs', 10, 86_400_000);
    const id = this.#nextId++;
    const stop = new AbortController();
    const end = (): void => stop.abort();
    signal.addEventListener('abort', end, { once: true });
    this.#running.set(id, stop);
    let view: WatchView = {
      id,
      peer: peer.name,
      command,
      args: jsonSafe(args) as unknown[],
      everyMs,
      state: 'running',
      count: 0,
      missed: 0,
    };
    const show = (change: Partial<WatchView>): void => {
      view = { ...view, ...change };
      if (this.#running.has(id)) this.#watches.set(String(id), view);
    };
    show({});
    const run = async (): Promise<void> => {
      for await (const event of peer.watch(command, args, { everyMs, signal: stop.signal })) {
        switch (event.type) {
          case 'value':
            this.#values.add(() => ({ id, at: Date.now(), value: shown(event.value, MAX_SHOWN_CHARACTERS) }));
            view = withoutError(view);
            show({ state: 'running', count: view.count + 1 });
            break;
          case 'error':
            show({ state: 'running', error: errorView(event.error) });
            break;
          case 'gap':
            show({ state: 'running', missed: view.missed + (event.missed ?? 1) });
            break;
          case 'silence':
            show({ state: 'silent' });
        }
      }
    };
    void run()
      .then(
        () => show({ state: 'ended' }),
        (error: unknown) => {
          if (!stop.signal.aborted) show({ state: 'ended', error: errorView(error) });
        },
      )
      .finally(() => {
        signal.removeEventListener('abort', end);
        this.#running.delete(id);
      });
    return { id };
  }
}

function withoutError({ error: _, ...view }: WatchView): WatchView {
  return view;
}

/** Thousands are kept: of long ones the beginning. */
function shown(value: CborValue, maxCharacters: number): unknown {
  const safe = jsonSafe(value);
  const text = JSON.stringify(safe);
  return text.length <= maxCharacters ? safe : `${text.slice(0, maxCharacters)} …`;
}

/** JSON has fewer kinds of values than CBOR, and all of them are CBOR's too. */
function argumentsIn(input: Input): CborValue[] {
  const args = input.raw('args') ?? [];
  const fits = (value: unknown): boolean =>
    value === null || ['string', 'number', 'boolean'].includes(typeof value);
  if (!Array.isArray(args) || args.length > MAX_ARGUMENTS || !args.every(fits))
    throw new UdpToolError('bad-usage', '"args" has to be a list of texts, numbers, true, false and null.');
  return args.map((value: unknown) => (value === null ? undefined : value) as CborValue);
}
