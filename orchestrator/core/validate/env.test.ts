import { describe, expect, it } from 'vitest';
import { parseEnv } from './env.ts';

const parse = (entries: readonly (readonly [string, unknown])[]) => parseEnv(entries);

describe('environment variables', () => {
  it('takes text under ordinary names, literally', () => {
    const result = parse([
      ['BOT_TOKEN', '123:ABC'],
      ['_x1', '$(cat /etc/shadow) ${X} `id`'],
      ['EMPTY', ''],
    ]);
    expect(result.ok && [...result.value]).toEqual([
      ['BOT_TOKEN', '123:ABC'],
      ['_x1', '$(cat /etc/shadow) ${X} `id`'],
      ['EMPTY', ''],
    ]);
  });

  it.each(['', '=x', 'A=B', 'A B', 'A\nB', '1A', 'A'.repeat(129), 'ИМЯ', '__proto__', 'BOTRUNNER_X'])(
    'refuses the name %j',
    (name) => {
      expect(parse([[name, 'v']])).toMatchObject({ ok: false, problem: { code: 'INVALID_ENV_VARS' } });
    },
  );

  it.each([[5], [true], [null], [{}], ['a\0b'], ['x'.repeat(32 * 1024 + 1)]])('refuses the value %#', (value) => {
    expect(parse([['A', value]])).toMatchObject({ ok: false, problem: { code: 'INVALID_ENV_VARS' } });
  });

  it('refuses too many and too much', () => {
    const many = Array.from({ length: 201 }, (_, index) => [`V${index}`, 'x'] as const);
    const much = Array.from({ length: 9 }, (_, index) => [`V${index}`, 'x'.repeat(30 * 1024)] as const);
    expect(parse(many).ok).toBe(false);
    expect(parse(much).ok).toBe(false);
  });

  it('never repeats a value in its refusal', () => {
    const secret = 'canary-5f2c9a';
    const results = [
      parse([['bad name', secret]]),
      parse([['A', `${secret}\0`]]),
      parse([['A', secret.repeat(5_000)]]),
    ];
    for (const result of results) expect(JSON.stringify(result)).not.toContain(secret);
  });
});
