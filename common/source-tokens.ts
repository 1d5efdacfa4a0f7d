/**
 * Telegram tokens in the source of a bot. One in its code or its settings makes it poll with that token; one in a comment, a
 * text, a test or an example does not, but anybody who gets the source has it. Pure; reads each byte once or twice, and holds one
 * file of code at most.
 */
import { documentationTokens } from './telegram-token.ts';

export interface SearchedFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly content: AsyncIterable<Uint8Array>;
}

export interface SourceTokens {
  /** Tokens that the bot may poll with. Secrets: hash them before they are stored or sent. */
  readonly used: ReadonlySet<string>;
  /** Files with a token in them, whether it counts or not. */
  readonly files: ReadonlySet<string>;
}

export interface SourceTokenSearch {
  /** Reads one file, unless it is irrelevant to what the bot does. */
  read(file: SearchedFile): Promise<void>;
  readonly found: SourceTokens;
}

// More tokens than any bot has; the rest changes nothing.
const foundMax = 16;
/** A code file is read whole: what is a comment depends on all that comes before. A larger one counts as code throughout. */
const codeMaxBytes = 4 * 1024 * 1024;
/** Longer than a token with all that must stand around it. */
const overlap = 128;

// Not within a longer word, but "bot" may stand before it, as in the URLs of the Bot API.
const tokenPattern = /(?<![A-Za-z0-9_-])(?:bot)?([0-9]{6,12}:[A-Za-z0-9_-]{30,64})(?![A-Za-z0-9_-])/g;

export function createSourceTokenSearch(): SourceTokenSearch {
  const used = new Set<string>();
  const files = new Set<string>();
  const note = (name: string, token: string, counts: boolean) => {
    if (documentationTokens.has(token)) return;
    if (files.size < foundMax) files.add(name);
    if (counts && used.size < foundMax) used.add(token);
  };
  return {
    found: { used, files },
    async read({ name, sizeBytes, content }) {
      const kind = kindOf(name);
      if (kind === undefined) return;
      if (kind.counts && kind.comments !== 'none' && sizeBytes <= codeMaxBytes) {
        const pieces: Uint8Array[] = [];
        for await (const piece of content) pieces.push(piece);
        const text = Buffer.concat(pieces).toString('latin1');
        const matches = [...text.matchAll(tokenPattern)];
        if (matches.length === 0) return;
        const isComment = inComments(text, kind.comments);
        for (const { index, 1: token = '' } of matches) note(name, token, !isComment(index));
        return;
      }
      let held = '';
      for await (const piece of content) {
        const text = held + Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength).toString('latin1');
        for (const { index, 0: match, 1: token = '' } of text.matchAll(tokenPattern)) {
          // Text at the very end may continue, and comes again with what follows.
          if (index + match.length < text.length && (index > 0 || held === '')) note(name, token, kind.counts);
        }
        held = text.slice(-overlap);
      }
      for (const { index, 0: match, 1: token = '' } of held.matchAll(tokenPattern)) {
        if (index + match.length === held.length) note(name, token, kind.counts);
      }
    },
  };
}

/** How comments are written: `#` (and Python's texts that stand alone), `//` with slash-star, or not at all. */
type Comments = 'hash' | 'python' | 'slash' | 'none';

interface FileKind {
  /** Whether the bot may read a token out of it. */
  readonly counts: boolean;
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

/** Undefined for other people's packages: tokens in them are not the bot's. */
function kindOf(path: string): FileKind | undefined {
  const segments = path.toLowerCase().split('/');
  const name = segments.at(-1) ?? '';
  if (segments.some((segment) => others.has(segment))) return undefined;
  const isEnv = name === '.env' || name.startsWith('.env.');
  const isBuild = name === 'dockerfile' || name.startsWith('dockerfile.') || name === 'procfile';
  const ending = name.slice(name.lastIndexOf('.') + 1);
  const comments = isEnv || isBuild ? 'hash' : name.includes('.') ? commentsOf.get(ending) : undefined;
  const isAside = segments.slice(0, -1).some((segment) => aside.has(segment)) || asideName.test(name);
  return { counts: comments !== undefined && !isAside, comments: comments ?? 'none' };
}

/** Whether a place in the text is in a comment. Asked for places in order. */
function inComments(text: string, comments: Comments): (at: number) => boolean {
  const next = commentsIn(text, comments);
  let comment = next();
  return (at) => {
    while (comment !== undefined && comment.end <= at) comment = next();
    return comment !== undefined && comment.start <= at;
  };
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** The comments one after the other. Texts in quotes are passed over, since they may hold what begins a comment. */
function commentsIn(text: string, comments: Comments): () => Range | undefined {
  const begin = comments === 'slash' ? /["'`]|\/[/*]/g : /["'#]/g;
  const endOf = (mark: string, from: number): number => {
    const at = text.indexOf(mark, from);
    return at < 0 ? text.length : at + mark.length;
  };
  return () => {
    for (let found = begin.exec(text); found !== null; found = begin.exec(text)) {
      const { index: start, 0: mark } = found;
      if (mark === '#' || mark === '//') {
        // Shells and settings take a "#" within a word as any other character.
        if (mark === '#' && comments === 'hash' && /\S/.test(text.charAt(start - 1))) continue;
        begin.lastIndex = endOf('\n', start);
        return { start, end: begin.lastIndex };
      }
      if (mark === '/*') {
        begin.lastIndex = endOf('*/', start + 2);
        return { start, end: begin.lastIndex };
      }
      const triple = mark.repeat(3);
      if (comments === 'python' && text.startsWith(triple, start)) {
        begin.lastIndex = endOf(triple, start + 3);
        // A string that is not assigned to a name is for readers only.
        const before = text.slice(Math.max(0, start - lookBack), start);
        if (/^[ \t]*[rRuUbB]{0,2}$/.test(before.slice(before.lastIndexOf('\n') + 1))) {
          return { start, end: begin.lastIndex };
        }
      } else begin.lastIndex = endOfQuoted(text, start, mark);
    }
    begin.lastIndex = text.length;
    return undefined;
  };
}
const lookBack = 200;

/** Behind the closing quote, or at the end of the line where there is none. */
function endOfQuoted(text: string, start: number, mark: string): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text[at];
    if (character === '\\') at += 1;
    else if (character === mark) return at + 1;
    else if (character === '\n' && mark !== '`') return at;
  }
  return text.length;
}
