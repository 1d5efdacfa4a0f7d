import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseEnvFile } from './env-file.ts';

it.each<[string, [string, string][]]>([
  ['', []],
  ['\n# A=1\n   \n\t# x', []],
  ['A=1', [['A', '1']]],
  [
    '\uFEFFA=1\r\nB=2\r\n',
    [
      ['A', '1'],
      ['B', '2'],
    ],
  ],
  [
    'A=1\nA=2',
    [
      ['A', '1'],
      ['A', '2'],
    ],
  ],
  [' export A = 1 2  # comment', [['A', '1 2']]],
  ['BOT_TOKEN=123:ABC==', [['BOT_TOKEN', '123:ABC==']]],
  ['A=', [['A', '']]],
  ['A= # nothing', [['A', '']]],
  ['COLOUR=#fff', [['COLOUR', '#fff']]],
  ['A=b#c', [['A', 'b#c']]],
  ['A=$HOME ${B}', [['A', '$HOME ${B}']]],
  ['A="x # y" # z', [['A', 'x # y']]],
  ["A='x # y'# z", [['A', 'x # y']]],
  ['A=" x "', [['A', ' x ']]],
  ['A="l1\\nl2\\t\\"q\\" \\$5 \\\\ C:\\dir"', [['A', 'l1\nl2\t"q" $5 \\ C:\\dir']]],
  ["A='l1\\n\"'", [['A', 'l1\\n"']]],
  [
    'KEY="-----BEGIN\nabc\n-----END"\nB=1',
    [
      ['KEY', '-----BEGIN\nabc\n-----END'],
      ['B', '1'],
    ],
  ],
  ['A=say "hi"', [['A', 'say "hi"']]],
])('%j reads as %j', (content, value) => {
  expect(parseEnvFile(content, 'bot.env')).toEqual({ ok: true, value });
});

it.each<[string, number]>([
  ['canary', 1],
  ['A=1\n\nB canary', 3],
  ['A=1\n2canary=x', 2],
  ['=canary', 1],
  ['A-B=canary', 1],
  ['A="canary', 1],
  ['A=1\nB="canary" x', 2],
  ["A='l1\nl2'\nB='canary", 3],
])('%j is refused at line %i, without showing it', (content, line) => {
  const result = parseEnvFile(content, 'bot.env');
  const message = `Line ${line} of bot.env is not NAME=VALUE.`;
  expect(result).toMatchObject({ ok: false, problem: { code: 'INVALID_ENV_VARS', message } });
  expect(JSON.stringify(result)).not.toContain('canary');
});

it('gives back every value that is written in quotes', () => {
  const quoted = (value: string) => `"${value.replace(/[\\"]/g, '\\$&').replace(/\r/g, '\\r')}"`;
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 5 }), (values) => {
      const content = values.map((value, index) => `N${index}=${quoted(value)} # comment\n`).join('');
      expect(parseEnvFile(content, 'x')).toEqual({
        ok: true,
        value: values.map((value, index) => [`N${index}`, value]),
      });
    }),
  );
});
