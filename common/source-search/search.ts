/**
 * Telegram tokens and other secrets in the source of a bot. A Telegram token in its code or its settings makes it poll with that
 * token; one in a comment, a text, a test or an example does not, but anybody who gets the source has it. Pure; reads each byte once or
 * twice, and holds one file of code at most.
 */
import { documentationTokens } from '../telegram-token.ts';
import { inComments } from './comments.ts';
import { type FileKind, kindOf } from './file-kinds.ts';
import type { Finding } from './findings.ts';
import { lineCounter } from './lines.ts';
import { type SecretKind, shapeLengthMax, shapesIn } from './secret-shapes.ts';

export interface SearchedFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly content: AsyncIterable<Uint8Array>;
}

export interface SourceSecrets {
  /** Telegram tokens that the bot may poll with. Secrets: hash them before they are stored or sent. */
  readonly used: ReadonlySet<string>;
  /** Where secrets are, in the order of files and kinds; some of them where there are many. */
  findings(): readonly Finding[];
}

export interface SourceSearch {
  /** Reads one file, unless it is irrelevant to what the bot does. */
  read(file: SearchedFile): Promise<void>;
  readonly found: SourceSecrets;
}

// More tokens than any bot has; the rest changes nothing.
const usedMax = 16;
const findingsMax = 48;
/** A code file is read whole: what is a comment depends on all that comes before. A larger one counts as code throughout. */
const codeMaxBytes = 4 * 1024 * 1024;
/** Longer than anything that is found with all that must stand around it. */
const overlap = shapeLengthMax;

/**
 * Not within a longer word, but "bot" may stand before it, as in the URLs of the Bot API, and a line end in the two characters that JSON
 * has for one.
 */
const tokenPattern = /(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))(?:bot)?([0-9]{6,12}:[A-Za-z0-9_-]{30,64})(?![A-Za-z0-9_-])/g;

export interface TokenPlace {
  readonly token: string;
  /** Of the token itself. */
  readonly start: number;
  readonly end: number;
  /** Where what was matched begins: "bot" may stand before the token. */
  readonly from: number;
}

/** The Telegram tokens in a text, but for those of Telegram's documentation. */
export function* telegramTokensIn(text: string): Generator<TokenPlace> {
  for (const { index: from, 0: match, 1: token = '' } of text.matchAll(tokenPattern)) {
    const end = from + match.length;
    if (!documentationTokens.has(token)) yield { token, start: end - token.length, end, from };
  }
}

export function createSourceSearch(): SourceSearch {
  const used = new Set<string>();
  const findings = new Map<string, Finding>();
  const note = (kind: SecretKind, file: string, line: number, isUsed: boolean) => {
    const key = `${kind} ${line} ${file}`;
    const before = findings.get(key);
    if (before === undefined ? findings.size >= findingsMax : before.isUsed || !isUsed) return;
    findings.set(key, { kind, file, line, isUsed });
  };
  /** Looks through a part of a file; `isWhole`: a match counts there. */
  const look = (text: string, name: string, kind: FileKind, lineOf: (at: number) => number, rules: Rules) => {
    for (const { token, from, start, end } of telegramTokensIn(text)) {
      if (!rules.isWhole(from, end)) continue;
      const counts = kind.counts && !rules.isComment(start);
      if (counts && used.size < usedMax) used.add(token);
      note('telegram', name, lineOf(start), counts);
    }
    if (kind.isAside) return;
    for (const { kind: secret, start, end } of shapesIn(text, kind.counts)) {
      if (rules.isWhole(start, end)) note(secret, name, lineOf(start), false);
    }
  };
  return {
    found: { used, findings: () => [...findings.values()] },
    async read({ name, sizeBytes, content }) {
      const kind = kindOf(name);
      if (kind === undefined) return;
      if (kind.counts && kind.comments !== 'none' && sizeBytes <= codeMaxBytes) {
        const pieces: Uint8Array[] = [];
        for await (const piece of content) pieces.push(piece);
        const text = plainText(Buffer.concat(pieces));
        const isComment = inComments(text, kind.comments);
        look(text, name, kind, lineCounter(text, 1), { isWhole: () => true, isComment });
        return;
      }
      let held = '';
      let line = 1;
      let isUtf16 = false;
      const isComment = () => false;
      for await (const piece of content) {
        const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
        if (held === '') isUtf16 = beginsAsUtf16(bytes);
        const text = held + (isUtf16 ? withoutNuls(bytes) : bytes.toString('latin1'));
        // Text at the very end may continue, and comes again with what follows.
        const isWhole = (start: number, end: number) => end < text.length && (start > 0 || held === '');
        look(text, name, kind, lineCounter(text, line), { isWhole, isComment });
        const next = text.slice(-overlap);
        line = lineCounter(text, line)(text.length - next.length);
        held = next;
      }
      look(held, name, kind, lineCounter(held, line), { isWhole: (_start, end) => end === held.length, isComment });
    },
  };
}

interface Rules {
  readonly isWhole: (start: number, end: number) => boolean;
  readonly isComment: (at: number) => boolean;
}

/** What PowerShell writes with ">": every other byte is NUL where a text is plain. */
const beginsAsUtf16 = (bytes: Buffer): boolean =>
  (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);

const withoutNuls = (bytes: Buffer): string => bytes.toString('latin1').replaceAll('\0', '');

const plainText = (bytes: Buffer): string => (beginsAsUtf16(bytes) ? withoutNuls(bytes) : bytes.toString('latin1'));
