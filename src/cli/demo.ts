/** All of it in one process: two machines, three requests, and somebody on the wire who gets nowhere. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import {
  builtinCommands,
  createEndpoint,
  type DropReason,
  formatAddress,
  generateKeyPair,
  type RequestLog,
  type UdpEndpoint,
  UdpToolError,
} from '../index.ts';
import { Eavesdropper, type Overheard } from './eavesdropper.ts';
import { renderAnswer } from './help-table.ts';
import { data, forData } from './output.ts';

const { bold, dim } = forData;

const HOST = '127.0.0.1';
const TYPE_NAMES = ['', 'HELLO', 'RETRY', 'CHALLENGE', 'OPEN', 'DATA'];
const OPEN_TYPE = 4;
/** A change that ought to show at once shows within this, even on a busy machine. */
const PATIENCE_MS = 5_000;

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('see it work: two peers and an eavesdropper in one process, with throw-away keys')
    .action(demo);
}

async function demo(): Promise<void> {
  heading('1. Two machines, a keypair each');
  const pi = generateKeyPair();
  const mac = generateKeyPair();
  data(`pi    ${pi.publicKey}`);
  data(`mac   ${mac.publicKey}`);
  data('Each is told the public key of the other. Nothing else is ever agreed on beforehand.');

  heading('2. pi serves; somebody sits on the wire between');
  let executed = 0;
  await using server = await createEndpoint({
    keyPair: pi,
    peers: [{ name: 'mac', publicKey: mac.publicKey }],
    commands: builtinCommands,
    ip: HOST,
    onRequest: (_log: RequestLog) => executed++,
  });
  const serverPort = server.addresses[0]?.port ?? 0;
  await using wire = await Eavesdropper.open(serverPort);
  data(`pi listens on ${server.addresses.map(formatAddress).join(' ')}`);
  data(`mac believes pi to be at ${HOST}:${wire.port}, which is the eavesdropper, who passes everything on`);

  heading('3. mac asks');
  await using client = await createEndpoint({
    keyPair: mac,
    peers: [{ name: 'pi', publicKey: pi.publicKey, at: `${HOST}:${wire.port}` }],
    commands: [],
    ip: HOST,
  });
  const peer = client.peer('pi');
  for (const [command, ...args] of [['time'], ['lucky', '1', '6'], ['help']] as const) {
    const { value, roundTripMs } = await peer.request(command, args);
    data(`${bold(`mac> ${[command, ...args].join(' ')}`)}   ${dim(`${roundTripMs.toFixed(1)} ms`)}`);
    data(renderAnswer(command, value));
  }
  check(executed === 3, 'three requests were executed');

  heading('4. What the eavesdropper saw');
  for (const { direction, datagram } of wire.overheard) {
    const type = TYPE_NAMES[datagram[0] ?? 0] ?? '?';
    const bytes = Buffer.from(datagram.subarray(0, 24)).toString('hex');
    data(`${direction}  ${type.padEnd(9)} ${String(datagram.length).padStart(4)} bytes  ${bytes}…`);
  }
  const requestSizes = wire.overheard
    .filter(isFromSession)
    .map(({ datagram }) => datagram.length)
    .slice(1);
  const everything = Buffer.concat(wire.overheard.map(({ datagram }) => datagram)).toString('latin1');
  const words = ['time', 'lucky', 'help', 'uptime'].filter((word) => everything.includes(word));
  check(words.length === 0, 'no word of what was asked or answered is in it');
  check(new Set(requestSizes).size === 1, 'and one request looks like another');

  heading('5. It sends again, from its own port, every datagram that mac sent');
  const sessionDatagrams = wire.overheard.filter(isFromSession);
  for (const { datagram } of sessionDatagrams) await attacked(server, wire, datagram, 'replayed');
  check(wire.bytesAnswered === 0, 'each was dropped as replayed, and not one byte came back');
  check(executed === 3, 'no command was executed again');

  heading('6. It flips one bit of a datagram that pi has not seen yet');
  const tampered = Uint8Array.from(sessionDatagrams.at(-1)?.datagram ?? []);
  tampered[23] = (tampered[23] ?? 0) ^ 0x80; // the counter: in the header, and so in the nonce
  await attacked(server, wire, tampered, 'bad-box');
  check(wire.bytesAnswered === 0, 'dropped as a bad box, in silence');

  heading('7. A stranger, who has a keypair but is not trusted, asks pi');
  await using stranger = await createEndpoint({
    keyPair: generateKeyPair(),
    peers: [{ name: 'pi', publicKey: pi.publicKey, at: `${HOST}:${serverPort}` }],
    ip: HOST,
  });
  const answered = await stranger.peer('pi').request('time', [], { timeoutMs: 300 }).catch(codeOf);
  check(answered === 'no-answer' && server.stats.drops['unknown-tag'] > 0, 'silence');

  heading('8. And mac, all the while');
  const { value, roundTripMs } = await peer.request('time');
  data(`${bold('mac> time')}   ${dim(`${roundTripMs.toFixed(1)} ms`)}`);
  data(renderAnswer('time', value));
  check(executed === 4, 'is answered as before');
  data('');
  data('Now with two machines of yours: see "The Pi and the Mac" in README.md.');
}

/** Only what an honest client sent in a session: a HELLO is answered again, with no more bytes than it has. */
function isFromSession({ direction, datagram }: Overheard): boolean {
  return direction === 'to server' && (datagram[0] ?? 0) >= OPEN_TYPE;
}

/** Attacks with a datagram, and waits until the server says why it dropped it. */
async function attacked(
  server: UdpEndpoint,
  wire: Eavesdropper,
  datagram: Uint8Array,
  reason: DropReason,
): Promise<void> {
  const before = server.stats.drops[reason];
  wire.attack(datagram);
  const deadline = performance.now() + PATIENCE_MS;
  while (server.stats.drops[reason] === before) {
    if (performance.now() > deadline)
      throw new UdpToolError('failed', `A datagram was not dropped as ${reason}.`);
    await delay(1);
  }
}

function heading(text: string): void {
  data(`\n${bold(text)}`);
}

function check(happened: boolean, what: string): void {
  if (!happened) throw new UdpToolError('failed', `This did not happen: ${what}.`);
  data(`✓ ${what}`);
}

function codeOf(error: unknown): string {
  return error instanceof UdpToolError ? error.code : String(error);
}
