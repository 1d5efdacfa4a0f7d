/**
 * Takes secrets out of lines before they are stored or sent: the values of secret-looking environment variables and
 * everything shaped like a Telegram token. Pure.
 */

export const masked = '[masked]';

/** Replaces every secret of one line. */
export type Masker = (text: string) => string;

// Shorter values would mask ordinary words ("true", "5432") all over the log.
const leastLength = 8;
const secretName = /TOKEN|KEY|SECRET|PASS|PWD|AUTH|CREDENTIAL|CRED|DSN|COOKIE|PRIVATE|SIGNATURE|SALT|SESSION|WEBHOOK/i;
// https://core.telegram.org/bots/api#authorizing-your-bot. Also within a word: URLs of the Bot API hold it as bot<token>.
const telegramToken = /[0-9]{6,12}:[A-Za-z0-9_-]{30,64}/g;
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
  // Longest first: a value that contains another one must go whole.
  const alternatives = [...forms].sort((a, b) => b.length - a.length).map(escapeForRegExp);
  const known = alternatives.length > 0 ? new RegExp(alternatives.join('|'), 'g') : undefined;
  return (text) => {
    const withoutKnown = known ? text.replace(known, masked) : text;
    return withoutKnown.includes(':') ? withoutKnown.replace(telegramToken, masked) : withoutKnown;
  };
}

const escapeForRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

// encodeURIComponent throws on lone surrogates.
const wellFormed = (text: string): string => text.toWellFormed();
