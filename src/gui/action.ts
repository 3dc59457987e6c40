/** What the page can have done: a name, and JSON both ways. */
import { UdpToolError } from '../index.ts';

export interface Action {
  /** `POST /api/NAME` */
  readonly name: string;
  /** Changes nothing that others see: also done with `--read-only`. */
  readonly isRead?: boolean;
  /** @param signal fires when the page waits no longer */
  run(input: Input, signal: AbortSignal): unknown;
}

/** What the page sends as bytes: `POST /api/NAME?FIELD=VALUE`, with a body of any length. */
export interface Upload {
  readonly name: string;
  /** @param body stops early, by an error, where the page goes away */
  take(input: Input, body: AsyncIterable<Uint8Array>): Promise<unknown>;
}

/** The JSON object that came, whose fields are read one by one, each for what it has to be. */
export class Input {
  readonly #fields: Readonly<Record<string, unknown>>;

  /** @throws UdpToolError `bad-usage` for what is no object */
  constructor(json: unknown) {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) throw misfit('body', 'an object');
    this.#fields = json as Readonly<Record<string, unknown>>;
  }

  text(name: string, maxLength = 1024): string {
    const value = this.raw(name);
    if (typeof value !== 'string' || value.length > maxLength)
      throw misfit(name, `a text of ${maxLength} characters at most`);
    return value;
  }

  optionalText(name: string, maxLength?: number): string | undefined {
    return this.raw(name) === undefined ? undefined : this.text(name, maxLength);
  }

  number(name: string, min: number, max: number): number {
    const value = this.raw(name);
    if (typeof value !== 'number' || !(value >= min && value <= max))
      throw misfit(name, `a number from ${min} to ${max}`);
    return value;
  }

  flag(name: string): boolean {
    const value = this.raw(name);
    if (typeof value !== 'boolean') throw misfit(name, 'true or false');
    return value;
  }

  texts(name: string, maxCount = 256, maxLength = 1024): string[] {
    const value = this.raw(name);
    const fits = (item: unknown): boolean => typeof item === 'string' && item.length <= maxLength;
    if (!Array.isArray(value) || value.length > maxCount || !value.every(fits))
      throw misfit(name, 'a list of texts');
    return value as string[];
  }

  /** Undefined where there is none. */
  raw(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }
}

function misfit(name: string, what: string): UdpToolError {
  return new UdpToolError('bad-usage', `"${name}" has to be ${what}.`);
}
