/** The simulation with src/ whose private fields can be read, and whose cryptography is noted. */
import { parse } from 'acorn';
import { load as bundle } from '../support/bundle.mjs';

const LEDGER = Object.fromEntries(
  ['box', 'hash', 'kem'].map((name) => [`src/crypto/${name}.ts`, `test/adversary/ledger/${name}.ts`]),
);

/** @param {import('../support/bundle.mjs').Mutation | null} mutation */
export function load(mutation = null) {
  return bundle('adversary/run.ts', withoutPrivates, mutation, LEDGER);
}

/**
 * `#name` becomes `$name`: an ordinary one.
 * @param {string} code JavaScript
 */
function withoutPrivates(code) {
  /** @type {number[]} */
  const places = [];
  const visit = (node) => {
    if (node?.type === 'PrivateIdentifier') places.push(node.start);
    else if (Array.isArray(node)) node.forEach(visit);
    else if (typeof node?.type === 'string') Object.values(node).forEach(visit);
  };
  visit(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }));
  const characters = [...Array(code.length).keys()].map((i) => code[i]);
  for (const place of places) characters[place] = '$';
  return characters.join('');
}
