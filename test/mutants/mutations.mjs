/** Single faults in a file of the source: each a small mistake that somebody could have made. */
import { parse } from 'acorn';
import { transform } from 'esbuild';

/** What stands in the place of an operator. */
const OPERATORS = {
  '===': '!==',
  '!==': '===',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '+': '-',
  '-': '+',
  '*': '+',
  '/': '*',
  '%': '+',
  '&': '|',
  '|': '&',
  '<<': '>>',
  '>>': '<<',
  '>>>': '<<',
  '&&': '||',
  '||': '&&',
  '??': '&&',
};

/**
 * @typedef {{ was: string, is: string, code: string }} Mutant a fault as a person reads it, and the whole file with it
 * @param {string} source TypeScript
 * @returns {Promise<Mutant[]>}
 */
export async function mutantsOf(source) {
  const { code } = await transform(source, { loader: 'ts', target: 'node20' });
  /** @type {Mutant[]} */
  const mutants = [];
  const replace = ({ start, end }, text) => {
    const [from, to] = [code.lastIndexOf('\n', start) + 1, code.indexOf('\n', end)];
    const before = code.slice(0, start);
    mutants.push({
      was: code.slice(from, to).trim(),
      is: `${code.slice(from, start)}${text}${code.slice(end, to)}`.trim(),
      code: `${before}${text}${code.slice(end)}`,
    });
  };
  walk(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }), (node) => mutate(node, code, replace));
  return mutants;
}

function walk(node, visit) {
  if (node?.operator === 'void') return; // what esbuild writes for undefined
  if (Array.isArray(node)) for (const one of node) walk(one, visit);
  else if (typeof node?.type === 'string') {
    visit(node);
    for (const part of Object.values(node)) walk(part, visit);
  }
}

/** @param {(range: { start: number, end: number }, text: string) => void} replace */
function mutate(node, code, replace) {
  switch (node.type) {
    case 'BinaryExpression':
    case 'LogicalExpression': {
      const other = OPERATORS[node.operator];
      if (other === undefined || isText(node.left) || isText(node.right)) return;
      const start = code.indexOf(node.operator, node.left.end);
      replace({ start, end: start + node.operator.length }, other);
      return;
    }
    case 'UnaryExpression':
      if (node.operator === '!') replace({ start: node.start, end: node.start + 1 }, '');
      return;
    case 'Literal':
      if (typeof node.value === 'boolean') replace(node, String(!node.value));
      if (typeof node.value === 'number') replace(node, `(${code.slice(node.start, node.end)} + 1)`);
      return;
    case 'IfStatement':
      replace(node.test, 'false');
      return;
    case 'ConditionalExpression':
      replace(node.test, 'false');
      replace(node.test, 'true');
      return;
    case 'ExpressionStatement':
      if (/^(?:Call|Update|Assignment)Expression$/.test(node.expression.type)) replace(node, ';');
      return;
    case 'BreakStatement':
    case 'ContinueStatement':
      replace(node, ';');
      return;
  }
}

function isText({ type, value }) {
  return type === 'TemplateLiteral' || (type === 'Literal' && typeof value === 'string');
}
