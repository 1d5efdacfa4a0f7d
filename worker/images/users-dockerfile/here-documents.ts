/** Here-documents that one line of a Dockerfile opens: RUN, COPY and ADD, also behind ONBUILD, unless in JSON form. Pure. */
import { isBalanced, isJsonForm, splitWords } from './words.ts';

export interface HereDocument {
  readonly name: string;
  /** Written <<-: tabs before its lines do not count. */
  readonly stripTabs: boolean;
  /** False where engines might not see one in it, and would take its lines for instructions. */
  readonly isPlain: boolean;
}

const opening = /^\d*<<(-?)([^<]+)$/;
const plainOpening = /^\d*<<-?(["']?)[A-Za-z_][A-Za-z0-9_]*\1$/;
const instruction = /^(?:ONBUILD[ \t\v\f\r]+)?(?:RUN|COPY|ADD)[ \t\v\f\r]+/i;

/** What engines take for a space, though parsers of words do not. */
const otherSpace = /[\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/g;

/** Engines look for them with \\ as the escape character, whatever the Dockerfile sets. */
const escapeChar = '\\';

export function hereDocuments(line: string): readonly HereDocument[] {
  const rest = openingRest(line);
  if (rest === undefined || isJsonForm(rest)) return [];
  const isPlainLine = isBalanced(rest, escapeChar) && /^[!-Z\\^-~]/.test(rest) && !mayOpenOthers(line);
  return splitWords(rest, escapeChar).flatMap((word) => {
    const [, dash, name] = opening.exec(word) ?? [];
    if (name === undefined) return [];
    const isPlain = isPlainLine && plainOpening.test(word);
    return { name: name.replaceAll(/["'\\]/g, ''), stripTabs: dash === '-', isPlain };
  });
}

/**
 * Whether an engine might see one that is not among the `hereDocuments` of the line, and take the instructions behind it for its text. Engines split
 * lines at other spaces than ASCII's, and within the quotes of a substitution; new ones also take "<< NAME".
 */
export function mayOpenOthers(line: string): boolean {
  const rest = openingRest(line);
  if (rest === undefined) return false;
  const text = rest.replaceAll(otherSpace, ' ');
  const isPlain = hasPlainVariables(text);
  const isKnown = isPlain && text === rest;
  const words = isPlain ? splitWords(text, escapeChar) : text.replaceAll(escapeChar, '').split(/[ \t\v\f\r]+/);
  return words.some(
    (word, at) => (!isKnown && opening.test(word)) || (/^\d*<<-?$/.test(word) && at + 1 < words.length),
  );
}

/** What follows the keyword of a line that may open some. */
function openingRest(line: string): string | undefined {
  const [keyword] = instruction.exec(line) ?? [];
  const rest = line.slice(keyword?.length);
  return keyword === undefined || !/<\\*</.test(rest) ? undefined : rest;
}

/** Engines look for variables in the line first, and find no here-document in one with a substitution that they do not know. */
const hasPlainVariables = (text: string): boolean => !text.replaceAll(/\$\{[A-Za-z_]\w*\}/g, '').includes('${');
