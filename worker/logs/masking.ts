/**
 * Takes secrets out of lines before they are stored or sent: the values of secret-looking environment variables and
 * everything shaped like a Telegram token. Pure.
 */

import { createStringFinder, mergeSpans, type Span } from '#common/find-strings.ts';
import type { Json } from '#common/json.ts';
import type { Problem } from '#common/problem.ts';
import type { Around } from '../runtime/output-lines.ts';
import { formsOf, leastLength, plainFormsOf } from './secret-forms.ts';

export const masked = '[masked]';

/**
 * Replaces every secret of one line. For a piece of a longer line: `around` is what comes before and after it in that line.
 * A secret that was cut shows as one replacement, in the piece it begins in.
 */
export type Masker = (text: string, around?: Around) => string;

const secretName = /TOKEN|KEY|SECRET|PASS|PWD|AUTH|CREDENTIAL|CRED|DSN|COOKIE|PRIVATE|SIGNATURE|SALT|SESSION|WEBHOOK/i;
// https://core.telegram.org/bots/api#authorizing-your-bot. Also within a word: URLs of the Bot API hold it as bot<token>.
const telegramToken = /[0-9]{6,12}(?::|%3A)[A-Za-z0-9_-]{30,64}/gi;

/** The values of an environment that must not be shown: those worth keeping for a masker, in no order, without doubles. */
export function secretValues(env: Readonly<Record<string, string>>): readonly string[] {
  const values = new Set<string>();
  const add = (value: string) => {
    if (value.length >= leastLength) values.add(value);
  };
  for (const [name, value] of Object.entries(env)) {
    if (secretName.test(name)) {
      add(value);
      // Output comes line by line, so a value of several lines (a PEM key) is never seen whole.
      for (const line of value.split(/\r?\n/)) add(line.trim());
    }
    for (const user of usersOfUrls(value)) {
      add(value);
      add(user);
      add(user.slice(user.indexOf(':') + 1));
    }
  }
  return [...values];
}

/** What is between "://" and "@" in the URLs of a text. One look from each "://", which ends at the next slash at the latest. */
function usersOfUrls(text: string): readonly string[] {
  const users: string[] = [];
  for (let at = text.indexOf('://'); at >= 0; at = text.indexOf('://', at + 3)) {
    userEnd.lastIndex = at + 3;
    const end = userEnd.test(text) ? userEnd.lastIndex - 1 : -1;
    // Something must have stood for the scheme, and for the user.
    if (text[end] === '@' && end > at + 3 && schemeEnd.test(text.charAt(at - 1))) users.push(text.slice(at + 3, end));
  }
  return users;
}
const userEnd = /[\s/?#@]/g;
const schemeEnd = /[a-z0-9+.-]/i;

/** A masker for these values, in plain and in their usual escaped forms, and for token-shaped text. */
export function createMasker(values: readonly string[]): Masker {
  // Made when the first line comes: many bots with large environments are taken in at once when a worker starts.
  let find: ((text: string) => readonly Span[]) | undefined;
  const spansOf = (text: string): readonly Span[] => {
    find ??= createStringFinder(allForms(values));
    return mergeSpans(find(text), tokensIn(text));
  };
  return (text, around) => {
    if (around === undefined) return cover(text, spansOf(text), 0, text.length);
    const start = around.before.length;
    const whole = around.before + text + around.after;
    return cover(whole, spansOf(whole), start, start + text.length);
  };
}

/**
 * All forms of at most this many characters of values, the shortest first: a bot may have 256 KiB of them, and all forms of that would
 * take seconds to be made ready, and 200 MB.
 */
const allFormsMaxTotal = 8 * 1024;

function allForms(values: readonly string[]): ReadonlySet<string> {
  const forms = new Set<string>();
  let total = 0;
  for (const value of [...values].sort((a, b) => a.length - b.length)) {
    if (value.length < leastLength) continue;
    total += value.length;
    for (const form of total <= allFormsMaxTotal ? formsOf(value) : plainFormsOf(value)) forms.add(form);
  }
  return forms;
}

function tokensIn(text: string): readonly Span[] {
  // Nearly all lines hold none, and bots can print a hundred thousand in a second.
  if (!text.includes(':') && !text.includes('%3')) return [];
  return [...text.matchAll(telegramToken)].map(({ index, 0: token }) => ({ start: index, end: index + token.length }));
}

/** The part of a text from `start` to `end`, with each span replaced where it begins. */
function cover(text: string, spans: readonly Span[], start: number, end: number): string {
  if (spans.length === 0) return text.slice(start, end);
  let shown = '';
  let at = start;
  for (const span of spans) {
    if (span.end <= start) continue;
    if (span.start >= end) break;
    if (span.start >= start) shown += text.slice(at, span.start) + masked;
    at = Math.max(at, span.end);
  }
  return shown + text.slice(Math.min(at, end), end);
}

/** A problem with every text in it masked. */
export function maskTexts(problem: Problem, mask: Masker): Problem {
  const inside = (value: Json): Json => {
    if (typeof value === 'string') return mask(value);
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return value.map(inside);
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, inside(part)]));
  };
  const details = Object.fromEntries(Object.entries(problem.details).map(([name, part]) => [name, inside(part)]));
  return {
    ...problem,
    message: mask(problem.message),
    hint: mask(problem.hint),
    details,
    example: inside(problem.example),
  };
}
