import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import { isSameSpec, keptImage, planConfigure, refuseUnknown } from './configure.ts';
import { withOrigins } from './env-origins.ts';
import { noChange } from './validate/bot-request.ts';

const spec = (init: MessageInitShape<typeof BotSpecSchema>) => create(BotSpecSchema, init);
const token = '123456789:AAtoken-token-token-token-token-token-1';
const origin = (jobId: string, ms: number) => ({ jobId, setAt: timestampFromMs(ms) });

describe('a configure', () => {
  const before = spec({ env: { A: '1' } });
  const wanted = spec({ env: { A: '2' } });
  it.each([
    ['running', 'running', 'swap'],
    ['running', 'crash_loop', 'swap'],
    ['running', 'unknown', 'swap'],
    ['running', 'exited', 'store'],
    ['running', 'failed', 'store'],
    ['stopped', 'stopped', 'store'],
    ['stopped', 'failed', 'store'],
  ] as const)('of a bot that is to be %s and is %s is a %s', (desired, state, plan) => {
    expect(planConfigure({ desired, state }, before, wanted)).toBe(plan);
    expect(planConfigure({ desired, state }, before, spec({ env: { A: '1' } }))).toBe('unchanged');
  });

  it('compares what the bot is made of, not who has set it', () => {
    const marked = spec({ env: { A: '1' }, envOrigins: { A: origin('j', 1) }, sourceRevision: 3n });
    expect(isSameSpec(before, marked)).toBe(true);
    expect(isSameSpec(before, spec({ env: { A: '1' }, limits: { pids: 20 } }))).toBe(false);
  });

  it('keeps the image of the revision that brought the source', () => {
    expect(keptImage({ revision: 4 }, before, wanted)).toBe(4n);
    expect(keptImage({ revision: 9 }, spec({ sourceRevision: 4n }), wanted)).toBe(4n);
  });

  it('has a fetched source searched when its environment has no token any more', () => {
    type Source = MessageInitShape<typeof BotSpecSchema>['source'];
    const git: Source = {
      case: 'custom',
      value: { from: { case: 'git', value: { url: 'https://x.example/y' } } },
    };
    const upload: Source = { case: 'custom', value: { from: { case: 'artifactSha256', value: 'a' } } };
    const env = { BOT_TOKEN: token };
    expect(keptImage({ revision: 4 }, spec({ source: git, env }), spec({ source: git }))).toBe(0n);
    expect(keptImage({ revision: 4 }, spec({ source: git, env }), spec({ source: git, env }))).toBe(4n);
    expect(keptImage({ revision: 4 }, spec({ source: upload, env }), spec({ source: upload }))).toBe(4n);
    expect(keptImage({ revision: 4 }, spec({ source: git }), spec({ source: git }))).toBe(4n);
  });

  it('refuses to take away what is not there, and names what is', () => {
    const refused = (env: string[], on: string[] = [], has = before) =>
      refuseUnknown('bot', has, { ...noChange, reset: { ...noChange.reset, env, on } });
    expect(refused(['A'])).toBeUndefined();
    expect(refused(['A', 'B', 'C'])).toMatchObject({
      code: 'INVALID_ENV_VARS',
      message: 'The bot bot has no variable B, C.',
      details: { names: ['B', 'C'] },
      hint: 'It has A.',
    });
    expect(refused(['B'], [], spec({}))).toMatchObject({ hint: 'It has none.' });
    expect(refused([], ['zone'])).toMatchObject({ code: 'INVALID_LABELS', hint: 'It asks for none.' });
    const many = spec({ env: Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`N${n + 10}`, 'secret'])) });
    expect(refused(['B'], [], many)?.hint).toBe('It has N10, N11, N12, N13, N14, N15, N16, N17 and 12 more.');
    expect(JSON.stringify(refused(['B'], [], many))).not.toContain('secret');
  });
});

describe('where a value comes from', () => {
  const by = { jobId: 'new', atMs: 9 };
  it('is the job that names it, and stays for what it does not name', () => {
    const before = spec({ env: { A: '1', B: '2' }, envOrigins: { A: origin('old', 1), B: origin('old', 1) } });
    const wanted = spec({ env: { A: '1', B: '3', C: '4' } });
    expect(withOrigins(wanted, before, spec({ env: { B: '3', C: '4' } }), by).envOrigins).toMatchObject({
      A: { jobId: 'old' },
      B: { jobId: 'new' },
      C: { jobId: 'new' },
    });
  });

  it('is unknown for what was set before that was kept, and gone with its variable', () => {
    const before = spec({ env: { A: '1', B: '2' }, envOrigins: { B: origin('old', 1) } });
    expect(withOrigins(spec({ env: { A: '1' } }), before, spec({}), by).envOrigins).toEqual({});
    const env = { constructor: '1', toString: '2' };
    expect(withOrigins(spec({ env }), spec({ env }), spec({}), by).envOrigins).toEqual({});
    expect(withOrigins(spec({ env: { A: '1' } }), undefined, spec({ env: { A: '1' } }), by).envOrigins).toMatchObject({
      A: { jobId: 'new' },
    });
  });
});
