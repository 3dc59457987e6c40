/** What peers push: shown with all that is in it, and taken once somebody says so. */
import {
  type IncomingPush,
  type ManifestEntry,
  type Pushed,
  Receiver,
  UdpToolError,
} from '../../../index.ts';
import type { ContentsView } from '../../api.ts';
import type { Machine } from '../../machine.ts';
import { type Moving, movingIncoming, type Transfers } from './transfers.ts';

/** More than anybody reads. */
const MAX_LISTED = 1_000;

interface Question {
  readonly pushed: Pushed;
  answer(isTaken: boolean): void;
}

export class Incoming {
  readonly receiver: Receiver;
  readonly #transfers: Transfers;
  /** Numbers of those that are on the page. */
  readonly #ids = new Map<IncomingPush, number>();
  readonly #questions = new Map<number, Question>();

  /** @param isReadOnly nothing is taken, since nobody can say so */
  constructor(machine: Machine, transfers: Transfers, isReadOnly: boolean) {
    this.#transfers = transfers;
    this.receiver = new Receiver({
      into: machine.inbox,
      signal: machine.signal,
      now: () => performance.now(),
      refuses: () => isReadOnly,
      decide: (pushed, signal) => this.#decide(pushed, signal),
      onChange: (push) => this.#changed(push),
    });
  }

  /** @throws UdpToolError `bad-usage` where nobody asks any more */
  answer(id: number, isTaken: boolean): void {
    this.#question(id).answer(isTaken);
  }

  /** What is in a folder that is asked about. @throws as {@link answer} */
  async contents(id: number): Promise<ContentsView> {
    const { pushed } = this.#question(id);
    const entries: ManifestEntry[] = [];
    let count = 0;
    let executable = 0;
    for await (const entry of pushed.entries) {
      if (entries.length < MAX_LISTED) entries.push(entry);
      else {
        count++;
        if (entry.kind === 'file' && entry.isExecutable) executable++;
      }
    }
    return {
      entries: entries.map((entry) => ({
        path: entry.path,
        size: entry.kind === 'file' ? entry.size : null,
        isExecutable: entry.kind === 'file' && entry.isExecutable,
      })),
      more: pushed.hasMore ? null : { count, executable },
    };
  }

  #changed(push: IncomingPush): void {
    const id = this.#ids.get(push);
    if (id !== undefined) this.#transfers.show(id);
    else this.#ids.set(push, this.#transfers.add(this.#moving(push)));
  }

  #moving(push: IncomingPush): Moving {
    const moving = movingIncoming(push);
    return {
      ...moving,
      view: () => {
        const view = moving.view();
        const id = this.#ids.get(push);
        const isAsked = id !== undefined && this.#questions.has(id);
        // Before somebody is asked, it is found out what there is to ask about.
        return view.state === 'asked' && !isAsked ? { ...view, state: 'hashing' } : view;
      },
      forgotten: () => this.#ids.delete(push),
    };
  }

  #decide(pushed: Pushed, signal: AbortSignal): Promise<boolean> {
    const [, id] = [...this.#ids].find(([{ offer }]) => offer === pushed.offer) ?? [];
    if (id === undefined || signal.aborted) return Promise.resolve(false);
    return new Promise((done) => {
      const answer = (isTaken: boolean): void => {
        signal.removeEventListener('abort', refuse);
        this.#questions.delete(id);
        done(isTaken);
      };
      const refuse = (): void => answer(false);
      signal.addEventListener('abort', refuse, { once: true });
      this.#questions.set(id, { pushed, answer });
      this.#transfers.show(id);
    });
  }

  #question(id: number): Question {
    const question = this.#questions.get(id);
    if (question === undefined)
      throw new UdpToolError('bad-usage', 'Nobody asks about that any more.', {
        hint: 'It was stopped, or answered on another page.',
      });
    return question;
  }
}
