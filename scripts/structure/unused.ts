/** What is declared and used by nobody: exports, settings, error codes. By the syntax of the files, tests and scripts among the users. */
import { dirname, join, relative } from 'node:path';
import { exportsOf, nameOf } from './exports.ts';
import { lineOf, type ParsedFile, type SyntaxNode, walk } from './imports.ts';

/**
 * "path:line name" of each export that no other file imports: values, and types that their own file does not use either
 * (a type that an exported function takes is exported for its callers). `entries` are started or read by something else.
 */
export function unusedExports(
  declared: readonly ParsedFile[],
  users: readonly ParsedFile[],
  entries: (path: string) => boolean,
): readonly string[] {
  const used = new Set<string>();
  const whole = new Set<string>();
  for (const file of users) collectUses(file, used, whole);
  return declared
    .filter(({ path }) => !entries(path) && !whole.has(path))
    .flatMap((file) =>
      exportsOf(file)
        .filter(({ name, isType }) => !used.has(`${file.path} ${name}`) && !(isType && isUsedIn(file, name)))
        .map(({ name, start }) => `${file.path}:${lineOf(file.text, start)} exports ${name}, which nobody imports`),
    );
}

/** Names that a file imports from each other file; `whole` gets the files that it imports entirely. */
function collectUses(file: ParsedFile, used: Set<string>, whole: Set<string>): void {
  walk(file.program, (node) => {
    const source = textOf(node['source']);
    const from = source === undefined ? undefined : pathOf(file.path, source);
    if (from === undefined) return;
    const named = node['specifiers'];
    if (!Array.isArray(named) || named.some(({ type }: SyntaxNode) => type === 'ImportNamespaceSpecifier')) {
      // import(), export *, import * as: by whichever name.
      whole.add(from);
      return;
    }
    for (const one of named as SyntaxNode[]) {
      const name = nameOf(one['imported'] ?? one['local']) ?? 'default';
      used.add(`${from} ${one.type === 'ImportDefaultSpecifier' ? 'default' : name}`);
    }
  });
  walk(file.program, (node) => {
    const from =
      node.type === 'TSImportType' ? pathOf(file.path, textOf(node['source'] ?? node['argument']) ?? '') : undefined;
    if (from !== undefined) whole.add(from);
  });
}

/** More than once: its own declaration is one. */
const isUsedIn = ({ text }: ParsedFile, name: string): boolean => text.split(new RegExp(`\\b${name}\\b`)).length > 2;

/** Keys of a set of settings (common/env-config.ts) that no file of the program reads: as `config.key`, or by taking it apart. */
export function unreadSettings(keys: readonly string[], program: readonly ParsedFile[]): readonly string[] {
  const read = new Set<string | undefined>();
  for (const file of program) {
    walk(file.program, (node) => {
      if (node.type === 'MemberExpression') read.add(nameOf(node['property']));
      if (node.type !== 'ObjectPattern') return;
      for (const { key } of node['properties'] as SyntaxNode[]) read.add(nameOf(key));
    });
  }
  return keys.filter((key) => !read.has(key));
}

/** Codes that stand as text in none of the files. */
export function unusedCodes(codes: readonly string[], files: readonly ParsedFile[]): readonly string[] {
  const said = new Set<unknown>();
  for (const { program } of files) {
    walk(program, (node) => {
      if (node.type === 'Literal') said.add(node['value']);
    });
  }
  return codes.filter((code) => !said.has(code));
}

const textOf = (node: unknown): string | undefined => {
  const value = (node as { readonly value?: unknown } | null | undefined)?.value;
  return typeof value === 'string' ? value : undefined;
};

function pathOf(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return relative('', join(dirname(from), specifier));
  return specifier.startsWith('#common/') ? `common/${specifier.slice(8)}` : undefined;
}
