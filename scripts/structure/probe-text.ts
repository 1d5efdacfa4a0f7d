/** Text of a file with probes in its functions, and where these are in it. Lines stay as they are. Pure. */
import { parseAst } from 'rolldown/parseAst';
import { type SyntaxNode, walk } from './imports.ts';

export interface FunctionText {
  readonly id: number;
  readonly name: string;
  /** Line and column of its body's first character and of the one after its last, both from 1. */
  readonly from: Place;
  readonly to: Place;
}

type Place = readonly [line: number, column: number];

const functionTypes = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

/** `id` of a function is the offset of its body in the text without probes. */
export function probeText(text: string, path: string): { source: string; functions: readonly FunctionText[] } {
  const found: { readonly body: SyntaxNode; readonly name: string }[] = [];
  walk(parseAst(text, { lang: 'ts' }, path), (node) => {
    for (const [child, name] of functionsIn(node)) found.push({ body: child['body'] as SyntaxNode, name });
  });
  const edits = found.flatMap(({ body }) => editsOf(body, path));
  let source = '';
  let at = 0;
  // In an empty body both probes are at one place.
  for (const edit of edits.toSorted((a, b) => a.at - b.at || a.order - b.order)) {
    source += text.slice(at, edit.at) + edit.add;
    at = edit.at;
  }
  source += text.slice(at);
  const placeOf = placesIn(source);
  const shift = (offset: number, through: boolean): number =>
    edits.reduce(
      (sum, edit) => (edit.at < offset || (through && edit.at === offset) ? sum + edit.add.length : sum),
      offset,
    );
  const functions = found.map(({ body, name }) => ({
    id: body.start,
    name,
    from: placeOf(shift(body.start, false)),
    to: placeOf(shift(Number(body['end']), true)),
  }));
  return { source, functions };
}

/** The innermost of the functions around a place. */
export function innermostAt(
  functions: readonly FunctionText[],
  line: number,
  column: number,
): FunctionText | undefined {
  const place: Place = [line, column];
  return functions
    .filter(({ from, to }) => !isBefore(place, from) && isBefore(place, to))
    .reduce<FunctionText | undefined>(
      (inner, one) => (inner && isBefore(one.from, inner.from) ? inner : one),
      undefined,
    );
}

const isBefore = ([line, column]: Place, [otherLine, otherColumn]: Place): boolean =>
  line < otherLine || (line === otherLine && column < otherColumn);

interface Edit {
  readonly at: number;
  readonly add: string;
  readonly order: number;
}

function editsOf(body: SyntaxNode, path: string): readonly Edit[] {
  const enters = `__entered(${JSON.stringify(path)},${body.start})`;
  const end = Number(body['end']);
  if (body.type === 'BlockStatement') {
    return [
      { at: body.start + 1, add: `const __call=${enters};try{`, order: 0 },
      { at: end - 1, add: '}finally{__left(__call)}', order: 1 },
    ];
  }
  return [
    { at: body.start, add: `(${enters},`, order: 0 },
    { at: end, add: ')', order: 1 },
  ];
}

/** The functions right below a node, by the name that it gives them. */
function functionsIn(node: SyntaxNode): readonly (readonly [SyntaxNode, string])[] {
  const found: [SyntaxNode, string][] = [];
  const own = nameOf(node['key'] ?? node['id']);
  for (const [field, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (!isFunction(child)) continue;
      found.push([child, nameOf(child['id']) || (field === 'value' || field === 'init' ? own : '')]);
    }
  }
  return found;
}

const isFunction = (value: unknown): value is SyntaxNode =>
  typeof value === 'object' &&
  value !== null &&
  functionTypes.has(String((value as SyntaxNode).type)) &&
  Boolean((value as SyntaxNode)['body']);

const nameOf = (node: unknown): string => String((node as { readonly name?: unknown } | null | undefined)?.name ?? '');

function placesIn(text: string): (offset: number) => Place {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let [low, high] = [0, starts.length];
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return [low + 1, offset - (starts[low] ?? 0) + 1];
  };
}
