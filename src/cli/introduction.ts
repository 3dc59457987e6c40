/** How a person tells another machine of this one: the line that adds it there, to paste or to scan. */
import type { Command } from 'commander';
import {
  addressesOfThisMachine,
  DEFAULT_PORT,
  formatAddress,
  nameOfThisMachine,
  type PublicKey,
  peerAddLine,
} from '../index.ts';
import { port } from './options.ts';
import { note } from './output.ts';
import { showQrCode } from './qr.ts';

export interface IntroductionOptions {
  readonly port: number;
  /** What the other machine may call this one; after the host if not given. */
  readonly name?: string;
  readonly qr?: boolean;
}

export interface Introduction {
  readonly line: string;
  /** Where else this machine is reached. */
  readonly others: readonly string[];
}

export function withIntroductionOptions(command: Command): Command {
  return command
    .option('--port <number>', 'the port of "serve" on this machine', port, DEFAULT_PORT)
    .option('--qr', 'also as a QR code');
}

export function introduce(publicKey: PublicKey, options: IntroductionOptions): Introduction {
  const [at, ...others] = [...addressesOfThisMachine('IPv4'), ...addressesOfThisMachine('IPv6')].map((ip) =>
    formatAddress({ ip, port: options.port }),
  );
  const line = peerAddLine({
    name: options.name ?? nameOfThisMachine(),
    publicKey,
    ...(at !== undefined && { at }),
  });
  return { line, others };
}

export async function tellIntroduction(
  { line, others }: Introduction,
  qr: boolean | undefined,
): Promise<void> {
  note(`  ${line}`);
  if (others.length > 0)
    note(`This machine is also at ${others.join(', ')}: use the one that the other reaches.`);
  if (qr) await showQrCode(line);
}
