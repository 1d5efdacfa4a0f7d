/**
 * JSON text to a value, stricter than JSON.parse: what parsers read differently, or lose without a word, is refused, so that
 * what was checked is what was sent. Refused with MALFORMED_REQUEST: a key twice in one object, a number that a double cannot
 * hold as written (1e400, 2^53+1, -0), text that is not valid Unicode, and nesting beyond reason. Pure.
 * See RFC 8259, sections 4, 6 and 8, on what its readers may do with each of these, and RFC 7493 (I-JSON), which forbids them.
 */
import { fail, ok, type Problem, problem, type Result } from './problem.ts';

export interface JsonBounds {
  readonly depthMax: number;
  /** Objects, lists, strings, numbers and words; keys are bounded by as many again. */
  readonly valuesMax: number;
}

/** A value takes some 100 bytes of memory however short it is written: the length of a text alone bounds nothing. */
export const jsonBounds: JsonBounds = { depthMax: 64, valuesMax: 10_000 };

/** The value, or the first thing that is wrong with the text. No refusal quotes a value: it may be a secret. */
export function parseStrictJson(text: string, bounds: JsonBounds = jsonBounds): Result<unknown> {
  const refusal = text.isWellFormed() ? scan(text, bounds) : notUnicode();
  if (refusal !== undefined) return fail(refusal);
  try {
    return ok(JSON.parse(text));
  } catch {
    // The parser's own message quotes the text.
    return fail(notJson());
  }
}

const malformed = (message: string, hint?: string): Problem =>
  problem('MALFORMED_REQUEST', message, hint === undefined ? {} : { hint });
const notJson = () => malformed('The body is not valid JSON.');
export const tooManyValues = ({ valuesMax }: JsonBounds): Problem =>
  malformed(`The body holds more than ${valuesMax} values.`, 'Send many or large files as one archive.');
export const tooDeep = ({ depthMax }: JsonBounds): Problem =>
  malformed(`The body is nested more than ${depthMax} levels deep.`);
const notUnicode = () => malformed('The body contains text that is not valid Unicode.');

const numberPattern = /-?\d[\d.eE+-]*/y;

/** One pass without recursion over any text; what is no JSON at all is left to the parser. */
function scan(text: string, bounds: JsonBounds): Problem | undefined {
  const { depthMax, valuesMax } = bounds;
  // One for each open bracket: the keys of an object so far, nothing for a list.
  const open: (Set<string> | undefined)[] = [];
  let keyComes = false;
  let inWord = false;
  let values = 0;
  let keys = 0;
  let at = 0;
  while (at < text.length) {
    const character = text[at] ?? '';
    const isWord = character >= 'a' && character <= 'z';
    const isNumber = character === '-' || (character >= '0' && character <= '9');
    if (character === '"' && keyComes) keys += 1;
    else if (character === '"' || character === '{' || character === '[' || isNumber || (isWord && !inWord))
      values += 1;
    inWord = isWord;
    if (values > valuesMax || keys > valuesMax) return tooManyValues(bounds);
    if (character === '"') {
      const end = endOfString(text, at);
      // Its length may be that of the whole text, and all that could be wrong with it is found when it is parsed.
      if (end !== undefined && !keyComes && !text.slice(at, end).includes('\\u')) {
        at = end;
        continue;
      }
      const value = end === undefined ? undefined : stringValue(text.slice(at, end));
      if (end === undefined || value === undefined) return notJson();
      if (!value.isWellFormed()) return notUnicode();
      const known = keyComes ? open.at(-1) : undefined;
      if (known?.has(value)) {
        return malformed(
          `The key ${JSON.stringify(value.slice(0, 40))} occurs twice in one object.`,
          'Give each key once.',
        );
      }
      known?.add(value);
      keyComes = false;
      at = end;
      continue;
    }
    if (isNumber) {
      numberPattern.lastIndex = at;
      const literal = numberPattern.exec(text)?.[0] ?? character;
      if (!isExactNumber(literal)) {
        return malformed(
          'The body contains a number that cannot be represented exactly.',
          'Write it as a string, in quotes.',
        );
      }
      at += literal.length;
      continue;
    }
    if (character === '{' || character === '[') {
      if (open.push(character === '{' ? new Set() : undefined) > depthMax) return tooDeep(bounds);
      keyComes = character === '{';
    } else if (character === '}' || character === ']') {
      open.pop();
      keyComes = false;
    } else if (character === ',') {
      keyComes = open.at(-1) !== undefined;
    }
    at += 1;
  }
  return undefined;
}

/** The place behind the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number | undefined {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return undefined;
}

function stringValue(literal: string): string | undefined {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch {
    // A bad escape; the caller says so without quoting it.
    return undefined;
  }
}

/** Longer than any number needs: 2^1023 has 308 digits. */
const numberMaxLength = 400;

function isExactNumber(literal: string): boolean {
  if (literal.length > numberMaxLength) return false;
  const value = Number(literal);
  if (!Number.isFinite(value) || Object.is(value, -0)) return false;
  // Fractions are rounded by everybody; whole numbers are ids and amounts, and are not.
  return !/^-?\d+$/.test(literal) || BigInt(literal) === BigInt(value);
}
