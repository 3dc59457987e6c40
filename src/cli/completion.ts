/** `completion` prints a script for a shell; `complete`, which no help shows, is what the script asks. */
import { Argument, type Command } from 'commander';
import { COMMAND_NAME, createEndpoint, readHelp } from '../index.ts';
import { type Candidate, candidates, type Given, type Values } from './candidates.ts';
import { SCRIPTS } from './completion-scripts.ts';
import { choosePeer, openKeyStore } from './context.ts';
import { data, printable } from './output.ts';

/** A person who pressed Tab waits no longer for a peer. */
const PATIENCE_MS = 1_000;

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('print a script that completes udp-tool in a shell; its first lines say how to use it')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(SCRIPTS)))
    .action((shell: keyof typeof SCRIPTS) => data(SCRIPTS[shell].trimEnd()));

  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action(async (words: string[]) => {
      const found = await candidates(program, words, values);
      if (typeof found === 'string') data(`:${found}`);
      else for (const { value, summary } of found) data(`${value}\t${oneLine(summary)}`);
    });
}

function oneLine(text: string): string {
  return printable(text).replace(/\s+/g, ' ');
}

const values: Values = async (name, given) => {
  try {
    if (name === 'peer') return await peers(given);
    if (name === 'command') return await commandsOfPeer(given);
  } catch {
    return []; // completion is silent; the command itself says what is wrong
  }
  if (name === 'path') return 'file'; // or a folder: shells complete those on the way too
  return name === 'file' || name === 'dir' ? name : null;
};

async function peers(given: Given): Promise<Candidate[]> {
  const store = await keyStore(given);
  return (await store.peers()).map(({ name, at }) => ({ value: name, summary: at ?? '' }));
}

/** What the peer's `help` lists for this machine. */
async function commandsOfPeer(given: Given): Promise<Candidate[]> {
  const store = await keyStore(given);
  const keyPair = await store.loadKeyPair();
  const chosen = choosePeer(await store.loadPeers(), given.get('to'));
  await using endpoint = await createEndpoint({ keyPair, peers: [chosen], commands: [] });
  const { value } = await endpoint.peer(chosen.name).request('help', [], { timeoutMs: PATIENCE_MS });
  return (readHelp(value) ?? [])
    .filter(({ name }) => COMMAND_NAME.test(name))
    .map(({ name, summary }) => ({ value: name, summary }));
}

function keyStore(given: Given): ReturnType<typeof openKeyStore> {
  const keys = given.get('keys');
  return openKeyStore(keys === undefined ? {} : { keys });
}
