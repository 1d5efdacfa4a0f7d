/** Here-documents that one line of a Dockerfile opens: RUN, COPY and ADD, also behind ONBUILD, unless in JSON form. Pure. */
import { isJsonForm, splitWords } from './words.ts';

export interface HereDocument {
  readonly name: string;
  /** Written <<-: tabs before its lines do not count. */
  readonly stripTabs: boolean;
}

const opening = /^\d*<<(-?)([^<]+)$/;
const instruction = /^(?:ONBUILD[ \t\v\f\r]+)?(?:RUN|COPY|ADD)[ \t\v\f\r]+/i;

export function hereDocuments(line: string, escapeChar: string): readonly HereDocument[] {
  const [keyword] = instruction.exec(line) ?? [];
  if (keyword === undefined || !line.includes('<<')) return [];
  const rest = line.slice(keyword.length);
  if (isJsonForm(rest)) return [];
  return splitWords(rest, escapeChar).flatMap((word) => {
    const [, dash, name] = opening.exec(word) ?? [];
    return name === undefined ? [] : [{ name: name.replaceAll(/["'\\]/g, ''), stripTabs: dash === '-' }];
  });
}
