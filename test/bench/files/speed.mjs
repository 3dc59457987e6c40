/** How fast each tool fetches a file over a link: all of them in every round, every other round backwards. */
import { median, spread } from '../report.mjs';
import { emulated, join, loopback } from './links.mjs';
import { shareFromAll } from './tools.mjs';
import { transfer } from './transfer.mjs';

/** Rows of `{ name, mebibytes, rate, ownRate, ratio }`, the ratio that of udp-tool to it in the same round. */
export async function measureSpeed(bench, row) {
  const { programs, folder, sources, tools, options } = bench;
  const link = row.link === null ? await loopback() : await emulated(programs, folder, row.link);
  const servers = [];
  try {
    const cases = [];
    for (const tool of tools) {
      for (const controller of tool.overTcp ? link.controllers : [null]) {
        const mebibytes =
          controller === 'cubic' && row.slow ? Math.min(row.slow, options.size) : options.size;
        const file = await sources.ofSize(mebibytes);
        const serving = await tool.serve({ programs, folder, link, ...file });
        servers.push(serving.child);
        cases.push({
          name: nameOf(tool, controller),
          link,
          controller,
          mebibytes,
          file,
          serving,
          rounds: [],
        });
      }
    }
    await runRounds(bench, cases);
    return summarize(cases, 'udp-tool');
  } finally {
    for (const child of servers) await programs.end(child);
    await link.close();
  }
}

/** One receiver that has a link of its own to each of two sources; the ratio is to one source. */
export async function measureTwoSources(bench, { link, share }) {
  const { programs, folder, sources, tools, options } = bench;
  const mebibytes = Math.max(1, Math.round(options.size * share));
  const file = await sources.ofSize(mebibytes);
  const links = [];
  const children = [];
  const cases = [];
  const add = (name, controller, serving) =>
    cases.push({ name, link: links[0], controller, mebibytes, file, serving, rounds: [] });
  try {
    links.push(await emulated(programs, folder, link));
    links.push(await emulated(programs, folder, link));
    links[1] = await join(programs, ...links);
    for (const tool of tools.filter(({ overTcp }) => overTcp)) {
      const serving = await tool.serve({ programs, folder, link: links[0], ...file });
      children.push(serving.child);
      for (const controller of links[0].controllers) {
        add(`${nameOf(tool, controller)}, one source`, controller, serving);
      }
    }
    if (tools.some(({ overTcp }) => !overTcp)) {
      const sharing = await shareFromAll({ programs, folder, links, ...file });
      children.push(...sharing.children);
      add('udp-tool, one source', null, sharing.from(1));
      add('udp-tool, two sources', null, sharing.from(2));
    }
    await runRounds(bench, cases);
    return summarize(cases, 'udp-tool, two sources');
  } finally {
    for (const child of children) await programs.end(child);
    for (const { close } of links) await close();
  }
}

export function nameOf({ name }, controller) {
  return controller === null ? name : `${name}, ${controller}`;
}

async function runRounds(bench, cases) {
  for (let round = 0; round < bench.options.runs; round++) {
    const order = round % 2 === 0 ? cases : cases.toReversed();
    for (const { name, link, controller, file, serving, rounds } of order) {
      if (controller !== null) await link.pin(controller);
      rounds.push(await transfer(bench, file, serving));
      bench.progress(`${name}: ${rounds.at(-1).rate.toFixed(1)} MB/s`);
    }
  }
}

function summarize(cases, numerator) {
  const ours = cases.find(({ name }) => name === numerator);
  return cases.map(({ name, mebibytes, rounds }) => ({
    name,
    mebibytes,
    rate: spread(rounds.map(({ rate }) => rate)),
    ownRate: median(rounds.map(({ ownRate }) => ownRate)),
    ratio: ours && median(rounds.map(({ rate }, i) => ours.rounds[i].rate / rate)),
  }));
}
