/**
 * src/ with counters in it: one for each branch that can be taken, and one for the bytes that are asked for. V8's own
 * coverage would be without a second copy of the code, but to read it takes longer than most inputs do.
 */
import { parse } from 'acorn';
import { load as bundle } from '../support/bundle.mjs';

/** What takes memory by a number that may come from the network. */
const ARRAYS = /^(?:Array|ArrayBuffer|(?:Big)?(?:Ui|I)nt\d+Array|Float\d+Array)$/;
/** More than there are branches in src/, some of it several times. */
const MAX_COUNTERS = 1 << 15;

/** What gui/ takes of the library is this, and the rest of it is not fuzzed by way of gui/. */
const ERRORS_ALONE = { 'src/index.ts': 'src/errors.ts' };

globalThis.udpToolFuzz ??= {
  edges: new Uint32Array(MAX_COUNTERS),
  used: 0,
  allocatedBytes: 0,
  allocated(length) {
    if (typeof length === 'number') this.allocatedBytes += length;
    return length;
  },
};

/**
 * Bundles run.ts with the instrumented library, and loads it.
 * @param {import('../support/bundle.mjs').Mutation | null} mutation
 */
export function load(mutation = null) {
  return bundle('fuzz/run.ts', instrument, mutation, ERRORS_ALONE);
}

/** @param {string} code JavaScript */
function instrument(code) {
  const { contents, next } = withCounters(code, globalThis.udpToolFuzz.used);
  if (next > MAX_COUNTERS) throw new Error('there are more branches than counters');
  globalThis.udpToolFuzz.used = next;
  return contents;
}

/**
 * @param {string} code JavaScript
 * @param {number} first of its counters
 */
function withCounters(code, first) {
  /** @type {{ at: number, closes: boolean, order: number, text: string }[]} */
  const insertions = [];
  let next = first;
  const count = () => `__edges[${next++}]++`;
  const open = (at, text) => insertions.push({ at, closes: false, order: insertions.length, text });
  const close = (at, text) => insertions.push({ at, closes: true, order: -insertions.length, text });
  const statement = (node) => {
    if (node === null) return;
    if (node.type === 'BlockStatement') open(node.start + 1, `${count()};`);
    else {
      open(node.start, `{${count()};`);
      close(node.end, '}');
    }
  };
  const expression = (node) => {
    open(node.start, `(${count()},`);
    close(node.end, ')');
  };
  const visit = (node) => {
    if (node === null || typeof node?.type !== 'string') return;
    switch (node.type) {
      case 'FunctionDeclaration':
      case 'FunctionExpression':
      case 'ArrowFunctionExpression':
        if (node.body.type === 'BlockStatement') statement(node.body);
        else expression(node.body);
        break;
      case 'IfStatement':
        if (node.alternate === null) close(node.end, ` else ${count()};`); // behind what ends there, too
        statement(node.consequent);
        if (node.alternate === null) break;
        if (node.alternate.type !== 'IfStatement') statement(node.alternate);
        break;
      case 'ForStatement':
      case 'ForOfStatement':
      case 'ForInStatement':
      case 'WhileStatement':
      case 'DoWhileStatement':
        statement(node.body);
        break;
      case 'SwitchCase':
        if (node.consequent.length > 0) open(node.consequent[0].start, `${count()};`);
        break;
      case 'CatchClause':
        statement(node.body);
        break;
      case 'ConditionalExpression':
        expression(node.consequent);
        expression(node.alternate);
        break;
      case 'LogicalExpression':
        expression(node.right);
        break;
      case 'NewExpression':
        if (ARRAYS.test(node.callee.name) && node.arguments.length > 0) {
          open(node.arguments[0].start, '__allocated(');
          close(node.arguments[0].end, ')');
        }
        break;
    }
    for (const value of Object.values(node)) {
      if (Array.isArray(value)) value.forEach(visit);
      else if (typeof value === 'object') visit(value);
    }
  };
  visit(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }));
  // At one place, what ends there ends first, from the inside; what begins there begins from the outside.
  insertions.sort((a, b) => a.at - b.at || Number(b.closes) - Number(a.closes) || a.order - b.order);
  let contents =
    'const { edges: __edges } = globalThis.udpToolFuzz; const __allocated = (length) => globalThis.udpToolFuzz.allocated(length);\n';
  let position = 0;
  for (const { at, text } of insertions) {
    contents += code.slice(position, at) + text;
    position = at;
  }
  return { contents: contents + code.slice(position), next };
}
