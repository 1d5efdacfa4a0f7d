/** What a file exports by declaring it, by the syntax. Pure. */
import { type ParsedFile, type SyntaxNode, walk } from './imports.ts';

export interface Export {
  readonly name: string;
  readonly isType: boolean;
  readonly start: number;
}

/** What is exported from another file is that file's. */
export function exportsOf({ program }: Pick<ParsedFile, 'program'>): readonly Export[] {
  const found: Export[] = [];
  walk(program, (node) => {
    if (node.type !== 'ExportNamedDeclaration' || node['source']) return;
    const declaration = node['declaration'] as SyntaxNode | null;
    const names =
      declaration === null
        ? (node['specifiers'] as SyntaxNode[]).map(({ exported }) => nameOf(exported))
        : declaration.type === 'VariableDeclaration'
          ? (declaration['declarations'] as SyntaxNode[]).map(({ id }) => nameOf(id))
          : [nameOf(declaration['id'])];
    const isType = declaration !== null && /^TS(?:Interface|TypeAlias)/.test(declaration.type);
    for (const name of names) if (name !== undefined) found.push({ name, isType, start: node.start });
  });
  return found;
}

export const nameOf = (node: unknown): string | undefined => {
  const { name, value } = (node ?? {}) as { readonly name?: unknown; readonly value?: unknown };
  return typeof name === 'string' ? name : typeof value === 'string' ? value : undefined;
};
