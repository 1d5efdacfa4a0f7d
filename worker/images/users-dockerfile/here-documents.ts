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

export function hereDocuments(line: string, escapeChar: string): readonly HereDocument[] {
  const [keyword] = instruction.exec(line) ?? [];
  if (keyword === undefined || !line.includes('<<')) return [];
  const rest = line.slice(keyword.length);
  if (isJsonForm(rest)) return [];
  const isPlainLine = isBalanced(rest, escapeChar) && /^[!-Z\\^-~]/.test(rest) && hasPlainVariables(rest);
  return splitWords(rest, escapeChar).flatMap((word) => {
    const [, dash, name] = opening.exec(word) ?? [];
    if (name === undefined) return [];
    const isPlain = isPlainLine && plainOpening.test(word);
    return { name: name.replaceAll(/["'\\]/g, ''), stripTabs: dash === '-', isPlain };
  });
}

/** BuildKit looks for variables in the line first, and finds no here-document in one with a substitution that it does not know. */
const hasPlainVariables = (text: string): boolean => !text.replaceAll(/\$\{\w+\}/g, '').includes('${');
