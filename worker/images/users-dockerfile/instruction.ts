/** One logical line of a Dockerfile as an instruction: keyword, options, arguments. Pure. */
import { fail, ok, type Problem, problem, type Result } from '#common/problem.ts';
import type { HereText, LogicalLine } from './lines.ts';
import { isJsonWithMore, isSpace } from './words.ts';

export interface Option {
  /** Without the dashes. */
  readonly name: string;
  /** Undefined without an equals sign. */
  readonly value: string | undefined;
}

export interface Instruction {
  readonly line: number;
  readonly span: number;
  /** In capitals. */
  readonly keyword: string;
  readonly options: readonly Option[];
  /** What follows the options, as written. */
  readonly rest: string;
  readonly hereDocuments: readonly HereText[];
  /** What ONBUILD keeps for later. */
  readonly trigger: Instruction | undefined;
}

const keywords = new Set(
  ['ADD', 'ARG', 'CMD', 'COPY', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'FROM', 'HEALTHCHECK', 'LABEL', 'MAINTAINER'].concat([
    'ONBUILD',
    'RUN',
    'SHELL',
    'STOPSIGNAL',
    'USER',
    'VOLUME',
    'WORKDIR',
  ]),
);
/** Those whose arguments may be a JSON list. */
const jsonKeywords = new Set(['ADD', 'CMD', 'COPY', 'ENTRYPOINT', 'RUN', 'SHELL', 'VOLUME']);
// Engines differ in how they read other characters in an option, and a misread one could name an image.
const plainOption = /^[a-z][a-z-]*(?:=[A-Za-z0-9._:/@,={}$*?!~+%^&|()[\]<>;#-]*)?$/;

export function parseInstruction({ line, span, text, hereDocuments }: LogicalLine): Result<Instruction> {
  const [word = ''] = /^[^ \t\v\f\r]+/.exec(text) ?? [];
  const keyword = word.toUpperCase();
  if (!keywords.has(keyword)) return fail(unknownInstruction(word, line));
  const { words, rest } = takeOptions(text.slice(word.length));
  if (jsonKeywords.has(keyword) && isJsonWithMore(rest)) return fail(moreThanJson(keyword, line));
  const odd = words.find((option) => !plainOption.test(option));
  if (odd !== undefined) return fail(oddOption(keyword, line));
  const options = words.map((option): Option => {
    const equals = option.indexOf('=');
    return equals < 0
      ? { name: option, value: undefined }
      : { name: option.slice(0, equals), value: option.slice(equals + 1) };
  });
  const instruction = { line, span, keyword, options, rest, hereDocuments, trigger: undefined };
  if (keyword !== 'ONBUILD') return ok(instruction);
  const trigger = parseInstruction({ line, span, text: rest, hereDocuments });
  if (!trigger.ok) return trigger;
  if (['FROM', 'ONBUILD', 'MAINTAINER'].includes(trigger.value.keyword)) {
    return fail(
      problem(
        'BUILD_FAILED',
        `Line ${line} of the Dockerfile has ONBUILD ${trigger.value.keyword}, which Docker refuses.`,
      ),
    );
  }
  return ok({ ...instruction, trigger: trigger.value });
}

/** Leading words that begin with two dashes, without their dashes, quotes and escapes; two dashes alone end them. */
function takeOptions(text: string): { readonly words: readonly string[]; readonly rest: string } {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isSpace(text.charAt(at))) at += 1;
    if (!text.startsWith('--', at)) return { words, rest: text.slice(at) };
    let word = '';
    let quote = '';
    for (; at < text.length && (quote !== '' || !isSpace(text.charAt(at))); at += 1) {
      const char = text.charAt(at);
      if (char === '\\' && at + 1 < text.length) {
        at += 1;
        word += text.charAt(at);
      } else if (quote === '' && (char === '"' || char === "'")) quote = char;
      else if (char === quote) quote = '';
      else word += char;
    }
    if (word === '--') return { words, rest: text.slice(at).trimStart() };
    words.push(word.slice(2));
  }
}

function unknownInstruction(word: string, line: number): Problem {
  const shown = /^[A-Za-z]{1,40}$/.test(word) ? `: ${word}` : '';
  return problem('BUILD_FAILED', `The Dockerfile has an unknown instruction in line ${line}${shown}.`, {
    hint: 'Check its spelling. If it belongs to the instruction above, the line before it has to end in \\.',
  });
}

const moreThanJson = (keyword: string, line: number): Problem =>
  problem(
    'BUILD_FAILED',
    `Line ${line} of the Dockerfile has text behind the JSON list of ${keyword}, which engines interpret differently.`,
    {
      hint: 'End the line with the "]" of the list, or write the instruction without a list.',
    },
  );

const oddOption = (keyword: string, line: number): Problem =>
  problem('BUILD_FAILED', `Line ${line} of the Dockerfile has an option of ${keyword} that cannot be parsed.`, {
    hint: 'Write options plainly, without quotes, spaces and escapes, for example COPY --from=build /app /app.',
  });
