/** The largest of what was put in during the last so many rounds; three candidates, as Kathleen Nichols' filter keeps them. */
export class WindowedMax {
  readonly #rounds: number;
  readonly #values: [number, number, number] = [0, 0, 0];
  readonly #at: [number, number, number] = [0, 0, 0];

  constructor(rounds: number) {
    this.#rounds = rounds;
  }

  get max(): number {
    return this.#values[0];
  }

  add(value: number, round: number): void {
    const values = this.#values;
    const at = this.#at;
    if (value >= values[0] || round - at[2] > this.#rounds) {
      values.fill(value);
      at.fill(round);
      return;
    }
    if (value >= values[1]) {
      values[1] = values[2] = value;
      at[1] = at[2] = round;
    } else if (value >= values[2]) {
      values[2] = value;
      at[2] = round;
    }
    const age = round - at[0];
    if (age > this.#rounds) {
      this.#dropFirst(value, round);
      if (round - at[0] > this.#rounds) this.#dropFirst(value, round);
    } else if (at[1] === at[0] && age > this.#rounds / 4) {
      // A quarter of the window without a second candidate: this one is it.
      values[1] = values[2] = value;
      at[1] = at[2] = round;
    } else if (at[2] === at[1] && age > this.#rounds / 2) {
      values[2] = value;
      at[2] = round;
    }
  }

  #dropFirst(value: number, round: number): void {
    this.#values[0] = this.#values[1];
    this.#values[1] = this.#values[2];
    this.#values[2] = value;
    this.#at[0] = this.#at[1];
    this.#at[1] = this.#at[2];
    this.#at[2] = round;
  }
}
