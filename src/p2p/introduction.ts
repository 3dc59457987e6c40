/** What peers and an introducer say to each other, by ordinary requests (PROTOCOL §10.4). */
import { errorForPeer, type UdpToolError } from '../errors.ts';
import type { Command } from '../rpc/command.ts';
import type { Address } from '../session/address.ts';
import type { CborValue } from '../wire/cbor.ts';
import { encodeAddresses, parseAddresses } from './candidates.ts';
import { MAX_INVITATIONS } from './constants.ts';

/** Waits to be found: arguments `[own addresses, links of invitations accepted]`, answer an {@link Invitation} or `[]`. */
export const MEET = 'udp-tool.meet';
/** Asks for an introduction: arguments `[public key, own addresses]`, answer an {@link Introduction} or null. */
export const INTRODUCE = 'udp-tool.introduce';

const KEY_BYTES = 32;
const MAX_UINT32 = 2 ** 32 - 1;

export interface MeetArguments {
  readonly addresses: readonly Address[];
  readonly accepted: readonly number[];
}

export interface IntroduceArguments {
  readonly publicKey: Uint8Array;
  readonly addresses: readonly Address[];
}

/** Somebody wants to reach the one who waits. */
export interface Invitation {
  readonly link: number;
  readonly publicKey: Uint8Array;
  readonly addresses: readonly Address[];
}

/** The other one accepted. */
export interface Introduction {
  readonly link: number;
  /** What the introducer relays over the link, in bytes a second; 0 where it does not. */
  readonly relayBytesPerSecond: number;
  readonly addresses: readonly Address[];
}

/** They may be asked again after a restart: nothing is executed by them. */
export const INTRODUCER_COMMANDS: ReadonlyMap<string, Command> = new Map(
  [command(MEET, parseMeet), command(INTRODUCE, parseIntroduce)].map((one) => [one.name, one]),
);

export function encodeMeet({ addresses, accepted }: MeetArguments): CborValue[] {
  return [encodeAddresses(addresses), [...accepted]];
}

export function encodeIntroduce({ publicKey, addresses }: IntroduceArguments): CborValue[] {
  return [publicKey, encodeAddresses(addresses)];
}

export function encodeInvitation(invitation: Invitation | null): CborValue {
  if (invitation === null) return [];
  return [invitation.link, invitation.publicKey, encodeAddresses(invitation.addresses)];
}

export function encodeIntroduction(introduction: Introduction | null): CborValue {
  if (introduction === null) return null;
  const { link, relayBytesPerSecond, addresses } = introduction;
  return [link, relayBytesPerSecond, encodeAddresses(addresses)];
}

/** Undefined for what is no answer to MEET; null for nobody. */
export function parseInvitation(answer: CborValue): Invitation | null | undefined {
  if (!Array.isArray(answer)) return undefined;
  const [link, publicKey, told] = answer as readonly CborValue[];
  if (answer.length === 0) return null;
  const addresses = parseAddresses(told);
  if (answer.length !== 3 || !isUint32(link) || !isKey(publicKey) || addresses === null) return undefined;
  return { link, publicKey, addresses };
}

/** Undefined for what is no answer to INTRODUCE; null where nothing came of it. */
export function parseIntroduction(answer: CborValue): Introduction | null | undefined {
  if (answer === null) return null;
  if (!Array.isArray(answer)) return undefined;
  const [link, relayBytesPerSecond, told] = answer as readonly CborValue[];
  const addresses = parseAddresses(told);
  if (answer.length !== 3 || !isUint32(link) || !isUint32(relayBytesPerSecond) || addresses === null) {
    return undefined;
  }
  return { link, relayBytesPerSecond, addresses };
}

/** @throws UdpToolError `bad-arguments` */
function parseMeet(values: readonly CborValue[]): MeetArguments {
  const [told, accepted] = values;
  const addresses = parseAddresses(told);
  const fits =
    values.length === 2 &&
    addresses !== null &&
    Array.isArray(accepted) &&
    accepted.length <= MAX_INVITATIONS &&
    accepted.every(isUint32);
  if (!fits) throw badArguments(MEET);
  return { addresses, accepted: [...(accepted as number[])] };
}

/** @throws UdpToolError `bad-arguments` */
function parseIntroduce(values: readonly CborValue[]): IntroduceArguments {
  const [publicKey, told] = values;
  const addresses = parseAddresses(told);
  if (values.length !== 2 || !isKey(publicKey) || addresses === null) throw badArguments(INTRODUCE);
  return { publicKey, addresses };
}

function badArguments(name: string): UdpToolError {
  return errorForPeer('bad-arguments', `${name} was asked with arguments that it does not take.`);
}

function isKey(value: CborValue): value is Uint8Array {
  return value instanceof Uint8Array && value.length === KEY_BYTES;
}

function isUint32(value: CborValue): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_UINT32;
}

/** A command that is not listed, and that the introducer runs itself. */
function command(name: string, parse: (values: readonly CborValue[]) => object): Command {
  return {
    name,
    summary: '',
    args: [],
    idempotent: true,
    parse: parse as unknown as NonNullable<Command['parse']>,
    run: () => undefined,
  };
}
