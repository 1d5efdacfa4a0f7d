/** The sources and the destination of a COPY or ADD, taken apart as Docker does it and written so that nothing else can be read. Pure. */
import type { Instruction } from './instruction.ts';
import { isJsonForm } from './words.ts';

/** Docker takes it apart at every space, also at a quoted or an escaped one; quotes and escapes stay in the words. */
export function copyWords({ rest }: Pick<Instruction, 'rest'>): readonly string[] {
  // What is JSON is a list of texts.
  if (isJsonForm(rest)) return JSON.parse(rest) as readonly string[];
  return rest.split(/[ \t\v\f\r]+/).filter((word) => word !== '');
}

const plainWord = /^[A-Za-z0-9._/*?@:+~%=,${}][A-Za-z0-9._/*?@:+~%=,${}-]*$/;

/** As plain words where those can be read in one way only, else as JSON, which means the same: variables are put in there, too. */
export const writtenWords = (words: readonly string[]): string =>
  words.every((word) => plainWord.test(word)) ? words.join(' ') : writtenJson(words);

export const writtenJson = (words: readonly string[]): string =>
  `[${words.map((word) => JSON.stringify(word)).join(', ')}]`;
