/** Options that several verbs have; what their readers refuse is a usage error. */
import { isIP } from 'node:net';
import { InvalidArgumentError, Option } from 'commander';
import { DEFAULT_PORT, DEFAULT_RELAY_BYTES_PER_SECOND, type HostPort, MAX_WORKERS } from '../index.ts';

const DEFAULT_TIMEOUT_MS = 5_000;

export function keysOption(): Option {
  return new Option('--keys <dir>', 'key folder');
}

export function toOption(): Option {
  return new Option('--to <peer>', 'which peer; the only one with an address if not given');
}

export function hostOption(): Option {
  const description = 'local IP address to listen on; all if not given';
  return new Option('--host <address>', description).argParser(localAddress);
}

export function portOption(): Option {
  return new Option('--port <number>', 'UDP port, 0 for any free one').argParser(port).default(DEFAULT_PORT);
}

export function workersOption(): Option {
  const description = 'processes that share the port, for more than one processor';
  return new Option('--workers <number>', description).argParser(workers).default(1);
}

export function commandsOption(): Option {
  const description = 'commands of your own, a module or a table; may be repeated';
  return new Option('--commands <file>', description).argParser(collected).default([], 'none');
}

export function metricsOption(): Option {
  const description = 'offer numbers to Prometheus there, by HTTP: 127.0.0.1:9464';
  return new Option('--metrics <address:port>', description).argParser(ownAddressAndPort);
}

export function lanOption(): Option {
  return new Option('--no-lan', 'do not look for peers in the local network, nor be found there');
}

export function introduceOption(): Option {
  return new Option('--no-introduce', 'do not help peers that trust each other to find each other');
}

export function relayOptions(): [Option, Option] {
  const description =
    'what peers that cannot reach each other may send through this machine, 500k or 2M bytes a second';
  return [
    new Option('--relay <rate>', description).argParser(rate).default(DEFAULT_RELAY_BYTES_PER_SECOND, '1M'),
    new Option('--no-relay', 'relay nothing'),
  ];
}

/** In seconds; read as milliseconds. */
export function timeoutOption(description: string): Option {
  return new Option('--timeout <seconds>', description)
    .argParser(seconds)
    .default(DEFAULT_TIMEOUT_MS, String(DEFAULT_TIMEOUT_MS / 1000));
}

export function port(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65_535)
    throw new InvalidArgumentError('A port is a number from 0 to 65535.');
  return value;
}

function workers(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > MAX_WORKERS)
    throw new InvalidArgumentError(`Workers are a number from 1 to ${MAX_WORKERS}.`);
  return value;
}

function localAddress(text: string): string {
  if (isIP(text) === 0) {
    throw new InvalidArgumentError(
      'Give an IP address of this machine, such as 192.168.2.3, without a port.',
    );
  }
  return text;
}

function ownAddressAndPort(text: string): HostPort {
  const [, inBrackets, plain, number = ''] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  const host = inBrackets ?? plain ?? '';
  if (isIP(host) === 0) {
    throw new InvalidArgumentError('Give an IP address of this machine and a port, such as 127.0.0.1:9464.');
  }
  return { host, port: port(number) };
}

export function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 1_000_000)
    throw new InvalidArgumentError('A count is a number from 1 to 1000000.');
  return value;
}

function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d*\.?\d+$/.test(text) || value <= 0 || value > 300) {
    throw new InvalidArgumentError('A time-out is a number of seconds, 300 at most.');
  }
  return value * 1000;
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

/** `500ms`, `5s`, `10m`, `1h`, or a number of seconds; read as milliseconds, of a day at most. */
export function interval(text: string): number {
  const [, number = '', unit = 's'] = /^(\d*\.?\d+)(ms|s|m|h)?$/.exec(text) ?? [];
  const value = Math.round(Number(number) * (UNITS.get(unit) ?? 0));
  if (number === '' || value < 10 || value > 86_400_000) {
    throw new InvalidArgumentError('An interval is 500ms, 5s, 10m or 1h: from 10 ms up to a day.');
  }
  return value;
}

const MULTIPLES: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['k', 1e3],
  ['M', 1e6],
  ['G', 1e9],
]);

/** `500k`, `10M`, `1G` or a number, of bytes a second. */
export function rate(text: string): number {
  const [, number = '', unit = ''] = /^(\d*\.?\d+)([kMG]?)$/.exec(text) ?? [];
  const value = Math.round(Number(number) * (MULTIPLES.get(unit) ?? 0));
  if (number === '' || value < 1000) {
    throw new InvalidArgumentError('A rate is 500k, 10M or 1G: bytes a second, 1k at least.');
  }
  return value;
}

/** An option that names peers, one at a time. */
export function severalPeers(flags: string, description: string): Option {
  return new Option(flags, description).argParser(collected).default([], 'all');
}

/** For an option that may be repeated. */
export function collected(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
