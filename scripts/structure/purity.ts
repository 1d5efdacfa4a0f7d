/**
 * What a pure file must not do and a wall of Biome cannot see: read the clock or chance by a member of an innocent global, and take
 * values from files that are not pure. Modules and globals as such are Biome's (scripts/walls/walls.ts).
 */
import { matchesGlob } from 'node:path';
import { impureFiles, pureFiles, sealing } from '../walls/rooms.ts';
import { lineOf, type ParsedFile, type SyntaxNode, valueImportsOf, walk } from './imports.ts';

export const isPure = (path: string): boolean =>
  !path.endsWith('.test.ts') && !Object.hasOwn(impureFiles, path) && pureFiles.some((glob) => matchesGlob(path, glob));

const maySeal = (from: string, to: string): boolean => matchesGlob(from, sealing.files) && sealing.takes.includes(to);

/** "path:line what it does", for each place. */
export function impurities(file: ParsedFile): readonly string[] {
  if (!isPure(file.path)) return [];
  const found: string[] = [];
  walk(file.program, (node) => {
    const what = impurityOf(node);
    if (what !== undefined) found.push(`${file.path}:${lineOf(file.text, node.start)} ${what}`);
  });
  for (const { line, to } of valueImportsOf(file)) {
    if (!to.startsWith('gen/') && !isPure(to) && !maySeal(file.path, to))
      found.push(`${file.path}:${line} takes values from ${to}, which is not pure`);
  }
  return found;
}

export function impurityOf(node: SyntaxNode): string | undefined {
  const name = (value: unknown): unknown => (value as SyntaxNode | undefined)?.['name'];
  if (node.type === 'MemberExpression') {
    const member = `${String(name(node['object']))}.${String(name(node['property']))}`;
    if (member === 'Date.now') return 'reads the clock: Date.now';
    if (member === 'Math.random') return 'is random: Math.random';
    if (/^(?:AbortSignal\.timeout|Symbol\.for)$/.test(member)) return `sets a timer or shares a global: ${member}`;
  }
  if (
    node.type === 'NewExpression' &&
    name(node['callee']) === 'Date' &&
    (node['arguments'] as unknown[]).length === 0
  ) {
    return 'reads the clock: new Date()';
  }
  if (node.type === 'CallExpression' && name(node['callee']) === 'Date') return 'reads the clock: Date()';
  return undefined;
}
