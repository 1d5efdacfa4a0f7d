/**
 * Takes secrets out of lines before they are stored or sent: the values of secret-looking environment variables and
 * everything shaped like a Telegram token. Pure.
 */

import type { Json, Problem } from '#common/problem.ts';
import type { Around } from '../runtime/output-lines.ts';

export const masked = '[masked]';

/**
 * Replaces every secret of one line. For a piece of a longer line: `around` is what stands before and after it in that line.
 * A secret that was cut shows as one replacement, in the piece it begins in.
 */
export type Masker = (text: string, around?: Around) => string;

// Shorter values would mask ordinary words ("true", "5432") all over the log.
const leastLength = 8;
const secretName = /TOKEN|KEY|SECRET|PASS|PWD|AUTH|CREDENTIAL|CRED|DSN|COOKIE|PRIVATE|SIGNATURE|SALT|SESSION|WEBHOOK/i;
// https://core.telegram.org/bots/api#authorizing-your-bot. Also within a word: URLs of the Bot API hold it as bot<token>.
const telegramToken = /[0-9]{6,12}:[A-Za-z0-9_-]{30,64}/;
const urlWithUser = /[a-z][a-z0-9+.-]*:\/\/([^\s/?#@]+)@/gi;

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
    for (const match of value.matchAll(urlWithUser)) {
      add(value);
      const user = match[1] ?? '';
      add(user);
      add(user.slice(user.indexOf(':') + 1));
    }
  }
  return [...values];
}

/** A masker for these values, in plain and in their usual escaped forms, and for token-shaped text. */
export function createMasker(values: readonly string[]): Masker {
  const forms = new Set<string>();
  for (const value of values) {
    if (value.length < leastLength) continue;
    forms.add(value);
    forms.add(encodeURIComponent(wellFormed(value)));
    forms.add(JSON.stringify(value).slice(1, -1));
  }
  const any = forms.size > 0 ? new RegExp([...forms].map(escapeForRegExp).join('|')) : undefined;
  // Nearly all lines hold none, and bots can print a hundred thousand in a second.
  const mayHold = (text: string) => any?.test(text) === true || (text.includes(':') && telegramToken.test(text));
  return (text, around) => {
    if (around === undefined) return mayHold(text) ? cover(text, spansOf(text, forms), 0, text.length) : text;
    const whole = around.before + text + around.after;
    if (!mayHold(whole)) return text;
    const start = around.before.length;
    return cover(whole, spansOf(whole, forms), start, start + text.length);
  };
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * All that is secret in a text, in order; what overlaps is one span. Every occurrence counts, also within another one, so
 * that a span is the same from wherever the text is looked at.
 */
function spansOf(text: string, forms: Iterable<string>): readonly Span[] {
  const found: Span[] = [];
  for (const form of forms) {
    for (let at = text.indexOf(form); at >= 0; at = text.indexOf(form, at + 1)) {
      found.push({ start: at, end: at + form.length });
    }
  }
  for (const { index, 0: token } of text.matchAll(new RegExp(telegramToken, 'g'))) {
    found.push({ start: index, end: index + token.length });
  }
  found.sort((a, b) => a.start - b.start);
  const spans: Span[] = [];
  for (const span of found) {
    const last = spans.at(-1);
    if (last && span.start < last.end)
      spans[spans.length - 1] = { start: last.start, end: Math.max(last.end, span.end) };
    else spans.push(span);
  }
  return spans;
}

/** The part of a text from `start` to `end`, with each span replaced where it begins. */
function cover(text: string, spans: readonly Span[], start: number, end: number): string {
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

const escapeForRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

// encodeURIComponent throws on lone surrogates.
const wellFormed = (text: string): string => text.toWellFormed();
