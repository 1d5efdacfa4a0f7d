/** Who imports whom, types included, by the syntax of the files: parsed as rolldown parses them, not searched as text. */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type ParseResult, parseAst } from 'rolldown/parseAst';

/** A file of the checkout imports another one, or a package or module of Node.js. */
export interface Import {
  readonly from: string;
  readonly line: number;
  /** Path in the checkout, or the specifier of what is not ours: "node:fs", "pino". */
  readonly to: string;
  readonly isOurs: boolean;
}

/** A node of the syntax tree, as far as the walks here look at it. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly [field: string]: unknown;
}

export interface ParsedFile {
  readonly path: string;
  readonly text: string;
  readonly program: ParseResult['program'] | SyntaxNode;
}

/** `path` in the checkout at `root`. Throws on what is no TypeScript. */
export function parseFile(root: string, path: string): ParsedFile {
  const text = readFileSync(join(root, path), 'utf8');
  return { path, text, program: parseAst(text, { lang: path.endsWith('ts') ? 'ts' : 'js' }, path) };
}

export const lineOf = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;

/** Calls back for every node, parents first. */
export function walk(node: unknown, visit: (node: SyntaxNode) => void): void {
  if (Array.isArray(node)) {
    for (const child of node) walk(child, visit);
    return;
  }
  if (!isNode(node)) return;
  visit(node);
  for (const [field, value] of Object.entries(node)) {
    if (field !== 'type' && typeof value === 'object') walk(value, visit);
  }
}

const isNode = (value: unknown): value is SyntaxNode =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';

const importing = new Set([
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'ImportExpression',
  'TSImportType',
]);

/** All imports of a file: of values and of types, static and by import(). */
export function importsOf({ path, text, program }: ParsedFile): readonly Import[] {
  const found: Import[] = [];
  walk(program, (node) => {
    if (!importing.has(node.type)) return;
    const source = node['source'] ?? node['argument'];
    const specifier = isNode(source) ? source['value'] : undefined;
    if (typeof specifier !== 'string') return;
    const ours = pathOf(path, specifier);
    found.push({ from: path, line: lineOf(text, node.start), to: ours ?? specifier, isOurs: ours !== undefined });
  });
  return found;
}

/** Those of our files that a file takes values from, not types alone. */
export const valueImportsOf = (file: ParsedFile): readonly Import[] => {
  const typesAlone = new Set<number>();
  walk(file.program, (node) => {
    if (isTypesAlone(node)) typesAlone.add(lineOf(file.text, node.start));
  });
  return importsOf(file).filter(({ isOurs, line }) => isOurs && !typesAlone.has(line));
};

function isTypesAlone(node: SyntaxNode): boolean {
  if (node.type === 'TSImportType') return true;
  if (!importing.has(node.type)) return false;
  if (node['importKind'] === 'type' || node['exportKind'] === 'type') return true;
  const specifiers = node['specifiers'];
  return (
    Array.isArray(specifiers) &&
    specifiers.length > 0 &&
    specifiers.every((one: SyntaxNode) => one['importKind'] === 'type' || one['exportKind'] === 'type')
  );
}

/** Undefined for what is not ours. The short names are those of "imports" in package.json. */
function pathOf(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return relative('', join(dirname(from), specifier));
  const [, folder, rest] = /^#(gen|common)\/(.*)$/.exec(specifier) ?? [];
  return folder === undefined ? undefined : `${folder}/${rest}`;
}
