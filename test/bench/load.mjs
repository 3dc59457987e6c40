/** Keeps so many requests outstanding for so long, and says how fast they were answered. */

/** A request without an answer is sent again after this, unless the client does so itself. */
const LOST_AFTER_MS = 200;
/** A run ends here if not by its time. */
const MAX_ANSWERS = 1_000_000;

export class Load {
  #client = null;
  /** By slot; 0 when nothing is under way. */
  #sentAt = [];
  #latencies = new Float64Array(MAX_ANSWERS);
  #answers = 0;
  #outstanding = 0;
  #endsAt = 0;
  #finish = () => {};

  /** Takes an answer's slot, and asks again. */
  answered = (slot) => {
    const sentAt = this.#sentAt[slot];
    if (!sentAt) return; // the second answer to a request that was sent twice
    const now = performance.now();
    this.#latencies[this.#answers++] = now - sentAt;
    if (now < this.#endsAt && this.#answers + this.#outstanding <= MAX_ANSWERS) {
      this.#send(slot, now);
      return;
    }
    this.#sentAt[slot] = 0;
    if (--this.#outstanding === 0) this.#finish();
  };

  async run(client, outstanding, seconds) {
    this.#client = client;
    this.#sentAt = new Array(outstanding).fill(0);
    this.#answers = 0;
    this.#outstanding = outstanding;
    let lost = 0;
    const watchdog = setInterval(() => {
      const late = performance.now() - LOST_AFTER_MS;
      for (let slot = 0; slot < outstanding; slot++) {
        if (this.#sentAt[slot] === 0 || this.#sentAt[slot] > late) continue;
        lost++;
        if (!client.retransmits) this.#send(slot, performance.now());
      }
    }, LOST_AFTER_MS);
    const finished = new Promise((done) => {
      this.#finish = done;
    });

    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    this.#endsAt = startedAt + seconds * 1000;
    for (let slot = 0; slot < outstanding; slot++) this.#send(slot, startedAt);
    await finished;
    const elapsedMs = performance.now() - startedAt;
    const { user, system } = process.cpuUsage(cpu);
    clearInterval(watchdog);

    const latencies = this.#latencies.subarray(0, this.#answers).sort();
    const percentileUs = (p) => latencies[Math.floor((latencies.length - 1) * p)] * 1000;
    return {
      answers: this.#answers,
      perSecond: (this.#answers / elapsedMs) * 1000,
      cpuUs: user + system,
      p50Us: percentileUs(0.5),
      p99Us: percentileUs(0.99),
      lost,
    };
  }

  #send(slot, now) {
    this.#sentAt[slot] = now;
    this.#client.request(slot);
  }
}
