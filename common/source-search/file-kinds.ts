/** Which files of a source a bot reads secrets from, and how comments are written in them. Pure. */

/** How comments are written: `#` (and Python's texts that stand alone), `//` with slash-star, or not at all. */
export type Comments = 'hash' | 'python' | 'slash' | 'none';

export interface FileKind {
  /** Whether the bot may read a token out of it. */
  readonly counts: boolean;
  /** Whether it is a test, an example or documentation: what looks like a password there is hardly ever one. */
  readonly isAside: boolean;
  readonly comments: Comments;
}

const others = new Set(['node_modules', 'site-packages', '.git', 'venv', '.venv', 'vendor', '__pycache__']);
const aside = new Set([
  'test',
  'tests',
  '__tests__',
  'spec',
  'specs',
  'fixtures',
  'doc',
  'docs',
  'example',
  'examples',
]);
const asideName =
  /^test_|^conftest\.|[._-](?:test|tests|spec|example|sample|template|dist)(?:\.|$)|^(?:example|sample|template)[._-]/i;
const textEndings = new Set(['md', 'rst', 'adoc', 'html', 'htm']);

const commentsOf: ReadonlyMap<string, Comments> = new Map(
  Object.entries({
    python: ['py', 'pyw'],
    hash: [
      'rb',
      'sh',
      'bash',
      'pl',
      'ex',
      'exs',
      'r',
      'jl',
      'yaml',
      'yml',
      'toml',
      'env',
      'ini',
      'cfg',
      'conf',
      'properties',
    ],
    slash: [
      'js',
      'mjs',
      'cjs',
      'jsx',
      'ts',
      'mts',
      'cts',
      'tsx',
      'go',
      'rs',
      'java',
      'kt',
      'kts',
      'cs',
      'c',
      'h',
      'cc',
      'cpp',
      'hpp',
      'swift',
      'dart',
      'scala',
      'php',
      'json5',
      'jsonc',
    ],
    none: ['json', 'xml', 'lua', 'sql'],
  }).flatMap(([comments, endings]) => endings.map((ending) => [ending, comments as Comments] as const)),
);

/** Undefined for other people's packages: secrets in them are not the bot's. */
export function kindOf(path: string): FileKind | undefined {
  const segments = path.toLowerCase().split('/');
  const name = segments.at(-1) ?? '';
  if (segments.some((segment) => others.has(segment))) return undefined;
  const isBuild = name === 'dockerfile' || name.startsWith('dockerfile.') || name === 'procfile';
  const ending = name.slice(name.lastIndexOf('.') + 1);
  const comments = isEnvFile(path) || isBuild ? 'hash' : name.includes('.') ? commentsOf.get(ending) : undefined;
  const isTest = segments.slice(0, -1).some((segment) => aside.has(segment)) || asideName.test(name);
  return {
    counts: comments !== undefined && !isTest,
    isAside: isTest || textEndings.has(ending),
    comments: comments ?? 'none',
  };
}

/** Whether it is a file of NAME=VALUE lines that libraries load into the environment. */
export function isEnvFile(path: string): boolean {
  const name = path.toLowerCase().slice(path.lastIndexOf('/') + 1);
  return name === '.env' || name.startsWith('.env.');
}
