/** What must be true whatever the attacker does. A schedule that breaks one of these ends with a Violation. */

export const PROPERTIES = [
  /** A request that is not idempotent is executed once at most, any other once at most by one run of a server (PROTOCOL §9.2, §9.3). */
  'at most once',
  /** What is executed for a peer, that peer asked for, of that server. */
  'agreement',
  /** An answer that is taken is one that the server gave to that request. */
  'true answers',
  /** What was not made with a key, what is no news, and what is meant for somebody else, is dropped and changes no state at all. */
  'undisturbed',
  /** What is authentic and comes for the first time is taken, whatever came before it. */
  'the first is taken',
  /** Who has one side's static key does not pass for the other side to it (key-compromise impersonation). */
  'no impersonation',
  /** An address that nobody was seen to be at gets three times what came from there, at most, and is never a session's own. */
  'no amplification',
  /** No nonce twice under a key, no key in both directions. */
  'a nonce once',
  /** Replayed HELLOs cost public-key operations, and introductions are asked for and accepted, at the rates of PROTOCOL §5.3 and §12. */
  'metered',
  /** When the attacker lets go, a request is answered soon. */
  'recovery',
  /** An introduction is told to whom the other one trusts, and has accepted (PROTOCOL §10.4). */
  'consent',
  /** A relay forwards for the two ends of a link, within its rate, while the link is used. */
  'relayed for two',
  /** Nothing of what a relay forwards can it read, with all that it has and has recorded. */
  'secret to the relay',
  /** Where a peer was said to be nothing but a PING goes, until it has shown that it is there. */
  'trials say nothing',
  /** A relayed session does not replace a direct one whose handshake ended after its own began. */
  'the better path stays',
  /** A message that was acknowledged is kept, once and as it was written, and messages come in order (PROTOCOL §10.2). */
  'messages are kept',
  /** Everything recorded, both static keys, and all that is in memory: once sessions and epochs are over, they open nothing. */
  'forward secrecy',
] as const;

export type Property = (typeof PROPERTIES)[number];

class Violation extends Error {
  readonly property: Property;

  constructor(property: Property, what: string) {
    super(`${property}: ${what}`);
    this.property = property;
  }
}

export function violated(property: Property, what: string): never {
  throw new Violation(property, what);
}

/** What requests came to, on both sides. */
export class Requests {
  readonly #asked = new Map<string, { by: string; of: string; once: boolean }>();
  readonly #executions = new Map<string, number>();
  readonly #given = new Set<string>();
  /** Answers that were taken. */
  answered = 0;

  /** @param once whether it must not be executed twice by two runs of a server either */
  asked(job: string, by: string, of: string, once: boolean): void {
    this.#asked.set(job, { by, of, once });
  }

  /** @param run of the server */
  executed(job: string, peer: string, by: string, run: number): void {
    const asked = this.#asked.get(job);
    if (asked === undefined) violated('agreement', `${by} executed "${job}", which nobody asked for`);
    if (asked.by !== peer || asked.of !== by)
      violated('agreement', `${by} executed "${job}" for ${peer}; ${asked.by} asked ${asked.of}`);
    const key = asked.once ? job : `${job}, run ${run}`;
    const count = (this.#executions.get(key) ?? 0) + 1;
    this.#executions.set(key, count);
    if (count > 1) violated('at most once', `${by} executed "${key}" ${count} times`);
  }

  /** The server gave this answer; no other answer is equal. */
  given(job: string, value: string): void {
    this.#given.add(`${job}: ${value}`);
  }

  taken(job: string, value: unknown): void {
    if (!this.#given.has(`${job}: ${String(value)}`))
      violated('true answers', `"${job}" was answered with ${String(value).slice(0, 60)}`);
    this.answered++;
  }
}
