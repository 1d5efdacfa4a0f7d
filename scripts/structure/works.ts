/**
 * What a work must not do: works are the functions given to change() and look() of the store, which run as often as it takes
 * (docs/ARCHITECTURE.md). Here are those that are written where they are given; what they call is pure by its file
 * (scripts/walls/rooms.ts), and tests run every work twice and compare (orchestrator/store/rehearsal.ts).
 */
import { lineOf, type ParsedFile, type SyntaxNode, walk } from './imports.ts';
import { impurityOf } from './purity.ts';

const runners = ['change', 'look'];
/** What acts on the world, or answers otherwise the next time. */
const worldly = [
  'clock',
  'console',
  'fetch',
  'logger',
  'performance',
  'process',
  'queueMicrotask',
  'randomBytes',
  'randomUUID',
  'setImmediate',
  'setInterval',
  'setTimeout',
  'ulid',
];

/** "path:line what it does", for each place. */
export function impureWorks(file: ParsedFile): readonly string[] {
  if (!/^orchestrator\//.test(file.path) || /\.test\.ts$|\/testing\//.test(file.path)) return [];
  const found: string[] = [];
  walk(file.program, (node) => {
    if (node.type !== 'CallExpression' || !runners.includes(nameOf(fieldOf(node, 'callee'), 'property'))) return;
    for (const work of (node['arguments'] as SyntaxNode[]).filter(isFunction)) {
      walk(work['body'], (inner) => {
        const what = impurityInWork(inner);
        if (what !== undefined) found.push(`${file.path}:${lineOf(file.text, inner.start)} a work ${what}`);
      });
    }
  });
  return found;
}

function impurityInWork(node: SyntaxNode): string | undefined {
  if (node.type === 'AwaitExpression') return 'waits';
  if (node.type === 'CallExpression') {
    const callee = fieldOf(node, 'callee');
    // A table of that name.
    const of = fieldOf(fieldOf(callee, 'object'), 'object');
    if (of?.['name'] === 'tx' || nameOf(of, 'property') === 'tx') return undefined;
    const name = [callee?.['name'], nameOf(callee, 'object'), nameOf(fieldOf(callee, 'object'), 'property')].find(
      (each) => typeof each === 'string' && worldly.includes(each),
    );
    if (name !== undefined) return `calls ${String(name)}`;
  }
  return impurityOf(node);
}

const isFunction = ({ type }: SyntaxNode): boolean =>
  type === 'ArrowFunctionExpression' || type === 'FunctionExpression';

const fieldOf = (node: SyntaxNode | undefined, field: string): SyntaxNode | undefined =>
  node?.[field] as SyntaxNode | undefined;

/** The name in a field: of an identifier, also of a private one. */
const nameOf = (node: SyntaxNode | undefined, field: string): string => String(fieldOf(node, field)?.['name'] ?? '');
