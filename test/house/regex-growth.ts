/**
 * Whether a regular expression may take more than linear time. Tried, not proved: on texts made of its own literals and of
 * characters it names, repeated, with an end that keeps it from matching. A pattern without repetition cannot be slow.
 */
import { createContext, Script } from 'node:vm';

const textLength = 16 * 1024;
/** Where each repetition is a whole word, there are fewer of them. */
const wordsLength = 64 * 1024;
/** Linear work on that takes about a millisecond; quadratic work takes hundreds. */
const limitMs = 60;

const unbounded = /[*+]|\{\d+,\}/;

/** The text that makes it slow; undefined when none does. */
export function slowTextOf(pattern: string, flags: string): string | undefined {
  if (!unbounded.test(pattern)) return undefined;
  const literals = literalsOf(pattern);
  const characters = [...new Set([...literals.join(''), ...' a0./_-@:$"\'\\=[{\n\t!'])];
  const words = literals.flatMap((each) => [each, `${each}a`]);
  const pairs = characters.filter((each) => /\W/.test(each)).map((each) => `${each}aa`);
  for (const start of ['', ...literals.slice(0, 3)]) {
    for (const part of [...words, ...characters, ...pairs]) {
      for (const end of ['\u0000', 'x\u2028\n!']) {
        // Short first: what is exponential does not end with the long one.
        for (const length of [60, part.length > 4 ? wordsLength : textLength]) {
          const text = start + part.repeat(Math.ceil(length / part.length)).slice(0, length) + end;
          if (isSlow(pattern, flags, text)) return text.slice(0, 60);
        }
      }
    }
  }
  return undefined;
}

const context = createContext({});
const search = new Script('new RegExp(pattern, flags).test(text)');

function isSlow(pattern: string, flags: string, text: string): boolean {
  // A sticky one looks at one place alone, which here is the beginning.
  Object.assign(context, { pattern, flags, text });
  // Another program may have had the processor: only what is slow each time is, and a run that hardly had it says nothing.
  for (let slow = 0, unsaid = 0; slow < 3 && unsaid < 30; ) {
    const startUs = process.threadCpuUsage().user;
    const ended = endsInTime();
    const tookMs = (process.threadCpuUsage().user - startUs) / 1000;
    if (!ended && tookMs > 10 * limitMs) return true;
    if (ended && tookMs < limitMs) return false;
    if (tookMs < limitMs) unsaid += 1;
    else slow += 1;
  }
  return true;
}

function endsInTime(): boolean {
  try {
    search.runInContext(context, { timeout: 1000 });
    return true;
  } catch (error) {
    // Of the other realm, and therefore no Error of this one.
    if (Object(error).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false;
    throw error;
  }
}

/** What a pattern says letter by letter, at least two of them together. */
function literalsOf(pattern: string): readonly string[] {
  const plain = pattern
    .replace(/\[(?:\\.|[^\]\\])*\]/g, '\u0001')
    .replace(/\\[bBdDsSwWpP](?:\{[^}]*\})?/g, '\u0001')
    .replace(/\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\[nrt0]/gi, '\u0001')
    .replace(/\(\?(?:<[^>]*>|[:=!]|<[=!])/g, '\u0001')
    .replace(/\{\d+(?:,\d*)?\}/g, '\u0001')
    .replace(/\\(.)/g, '$1\u0002')
    .replace(/[()|^$.*+?](?!\u0002)/g, '\u0001')
    .replaceAll('\u0002', '');
  return [...new Set(plain.split('\u0001').filter((each) => each.length >= 2))];
}
