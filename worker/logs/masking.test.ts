import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMasker, masked, secretValues } from './masking.ts';

const maskerFor = (env: Record<string, string>) => createMasker(secretValues(env));

describe('masking', () => {
  it.each([
    ['a value under a secret-looking name', { API_KEY: 'abcd1234' }, 'key=abcd1234.', `key=${masked}.`],
    ['whatever the case of the name', { my_Password: 'hunter2hunter2' }, 'hunter2hunter2', masked],
    [
      'a URL with a password',
      { DATABASE_URL: 'postgres://u:p4ssw0rd@db/x' },
      'at postgres://u:p4ssw0rd@db/x',
      `at ${masked}`,
    ],
    [
      'the password of such a URL alone',
      { DATABASE_URL: 'postgres://u:p4ssw0rd@db/x' },
      'auth p4ssw0rd',
      `auth ${masked}`,
    ],
    ['a value in its URL-encoded form', { SECRET: 'a b/c+d=e&f' }, 'x=a%20b%2Fc%2Bd%3De%26f', `x=${masked}`],
    ['a value in its JSON form', { SECRET: 'quote"quote"' }, '{"s":"quote\\"quote\\""}', `{"s":"${masked}"}`],
    ['each line of a value of several', { TLS_KEY: 'begin-it\nmiddle-part\n' }, 'middle-part', masked],
    ['the longer of two that overlap', { A_TOKEN: 'abcdefgh', B_TOKEN: 'abcdefghijkl' }, 'abcdefghijkl', masked],
    ['text that is special in patterns', { SECRET: '$^.*+?()[]{}|\\/-' }, 'x $^.*+?()[]{}|\\/- y', `x ${masked} y`],
  ])('hides %s', (_what, env, text, shown) => {
    expect(maskerFor(env)(text)).toBe(shown);
  });

  it.each([
    ['short values', { TOKEN: '1234567' }, '1234567'],
    ['values under plain names', { GREETING: 'good morning' }, 'good morning'],
    ['URLs without a user', { BASE_URL: 'http://127.0.0.1:8081' }, 'http://127.0.0.1:8081'],
  ])('leaves %s', (_what, env, text) => {
    expect(maskerFor(env)(text)).toBe(text);
  });

  it('hides token-shaped text whatever the environment holds', () => {
    const token = `123456789:${'A'.repeat(35)}`;
    const mask = createMasker([]);
    expect(mask(`https://api.telegram.org/bot${token}/getMe`)).toBe(`https://api.telegram.org/bot${masked}/getMe`);
    expect(mask(`token ${token} used`)).toBe(`token ${masked} used`);
    expect(mask('at 12:30:45 123:ABC')).toBe('at 12:30:45 123:ABC');
  });

  it('never lets a secret through, wherever it stands', () => {
    const secret = fc.string({ minLength: 8, maxLength: 40 }).filter((text) => !masked.includes(text));
    fc.assert(
      fc.property(
        fc.array(secret, { minLength: 1, maxLength: 4 }),
        fc.string(),
        fc.string(),
        (secrets, before, after) => {
          const mask = createMasker(secrets);
          for (const value of secrets) {
            const shown = mask(`${before}${value}${after}`);
            if (!`${before}${after}`.includes(value)) expect(shown.includes(value)).toBe(false);
          }
        },
      ),
    );
  });
});
