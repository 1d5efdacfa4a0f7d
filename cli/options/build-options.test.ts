import { describe, expect, it } from 'vitest';
import { parseBuildWords } from './build-options.ts';

const parse = (buildArg: readonly string[], target?: string, dockerfile?: string) =>
  parseBuildWords({ buildArg, target, dockerfile });

describe('--build-arg, --target and --dockerfile', () => {
  it('give values, and take them back', () => {
    expect(parse(['A=1', 'B=x=y', 'C=', 'D-', 'A-'], ' prod ', './docker/x')).toEqual({
      ok: true,
      value: {
        buildArgs: { A: '1', B: 'x=y', C: '' },
        target: 'prod',
        dockerfile: 'docker/x',
        reset: { buildArgs: ['D'], target: false, dockerfile: false },
      },
    });
    expect(parse([], '', '')).toMatchObject({
      value: { target: '', dockerfile: '', reset: { target: true, dockerfile: true } },
    });
    expect(parse([])).toMatchObject({ value: { reset: { buildArgs: [], target: false, dockerfile: false } } });
  });

  it.each([[['A']], [['=x']], [['A=1', '1A=canary']]])('%j is refused, without its value', (words) => {
    const result = parse(words);
    expect(result).toMatchObject({ ok: false, problem: { code: 'INVALID_BUILD_OPTIONS' } });
    expect(JSON.stringify(result)).not.toContain('canary');
  });
});
