import { expect, it } from 'vitest';
import { parseEnvVars } from './env-vars.ts';

it('keeps everything after the first "="', () => {
  const result = parseEnvVars(['A=1=2', 'EMPTY=', 'B=-1', 'MANY=x\ny', '_0=é']);
  expect(result).toEqual({
    ok: true,
    value: [
      ['A', '1=2'],
      ['EMPTY', ''],
      ['B', '-1'],
      ['MANY', 'x\ny'],
      ['_0', 'é'],
    ],
  });
});

it.each(['secret', '=secret', '1A=secret', 'A B=secret', '123:secret==', '', 'Ä=secret'])(
  '%j is refused with the cure and without showing the value',
  (pair) => {
    const result = parseEnvVars(['GOOD=1', pair]);
    expect(result).toMatchObject({
      ok: false,
      problem: { code: 'INVALID_ENV_VARS', hint: 'Write -e NAME=VALUE, for example -e BOT_TOKEN=123:ABC.' },
    });
    expect(JSON.stringify(result)).not.toContain('secret');
    expect(JSON.stringify(result)).toContain('-e number 2 ');
  },
);

it('says of a name that begins with a digit what is wrong with it', () => {
  expect(parseEnvVars(['1A=x'])).toMatchObject({
    problem: {
      message: '-e number 1 has an invalid name: use Latin letters, digits and "_", and do not begin with a digit.',
    },
  });
});
