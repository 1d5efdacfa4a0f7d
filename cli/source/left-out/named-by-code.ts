/** Which of the things that are left out the bot's code speaks of. Pure; takes time that grows with the texts alone. */
import type { LeftOut } from './left-out.ts';

/** Files whose text may name another one. */
export const isReadForNames = (path: string): boolean =>
  /\.(py|[mc]?js|m?ts|json|toml|ya?ml|ini|cfg|sh)$/i.test(path) || /(^|\/)Procfile$/.test(path);

export interface NamedByCode {
  readonly item: LeftOut;
  /** The file that names it. */
  readonly by: string;
}

export interface NameSearch {
  search(path: string, text: string): void;
  found(): readonly NamedByCode[];
}

/** Words of code that reads ".env" without naming it. */
const envLoaders = ['load_dotenv', 'dotenv_values', 'dotenv/config', 'dotenv.config', 'loadEnvFile'];
/** No file name that code spells out is longer. */
const literalMaxLength = 300;

/** For each thing the first file that names it. */
export function createNameSearch(items: readonly LeftOut[]): NameSearch {
  const named = new Map<string, LeftOut[]>();
  const imported = new Map<string, LeftOut[]>();
  for (const item of items) {
    const name = item.path.split('/').at(-1) ?? item.path;
    put(named, name, item);
    const stem = item.isFolder ? name : /^(\w+)\.(?:py|[mc]?js|m?ts|json)$/.exec(name)?.[1];
    if (stem !== undefined) put(imported, stem, item);
  }
  const found = new Map<LeftOut, string>();
  return {
    search(path, text) {
      const note = (list: readonly LeftOut[] | undefined) => {
        for (const item of list ?? []) if (!found.has(item)) found.set(item, path);
      };
      // Every string of the code is a piece, and so is the text between two strings, which names nothing.
      for (const piece of text.split(/["'`\n]/)) {
        if (piece === '' || piece.length > literalMaxLength) continue;
        const segments = piece.split('/');
        const last = segments.at(-1) ?? '';
        note(named.get(last));
        if (segments.length > 1) note(imported.get(last));
        for (const segment of segments.slice(0, -1)) note(named.get(segment)?.filter(({ isFolder }) => isFolder));
      }
      for (const line of text.split('\n')) for (const module of modulesOf(line)) note(imported.get(module));
      if (named.has('.env') && envLoaders.some((word) => text.includes(word))) note(named.get('.env'));
    },
    found: () => [...found].map(([item, by]) => ({ item, by })),
  };
}

function put(map: Map<string, LeftOut[]>, key: string, item: LeftOut): void {
  const others = map.get(key);
  if (others === undefined) map.set(key, [item]);
  else others.push(item);
}

/** The names in `import a, b.c` and `from .a import b`; of a dotted name each part. */
function modulesOf(line: string): readonly string[] {
  const text = line.trim();
  if (text.length > literalMaxLength) return [];
  if (text.startsWith('from ')) return (text.slice('from '.length).split(' import ')[0] ?? '').split('.');
  return text.startsWith('import ') ? text.slice('import '.length).split(/[\s,.]/) : [];
}
