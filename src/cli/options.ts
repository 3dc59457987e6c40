/** Readers of option values; what they refuse is a usage error. */
import { InvalidArgumentError } from 'commander';

export function port(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65_535)
    throw new InvalidArgumentError('A port is a number from 0 to 65535.');
  return value;
}

/** Seconds, to milliseconds. */
export function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d*\.?\d+$/.test(text) || value <= 0 || value > 300) {
    throw new InvalidArgumentError('A time-out is a number of seconds, 300 at most.');
  }
  return value * 1000;
}
