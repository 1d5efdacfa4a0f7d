import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { unwrap } from '#common/problem.ts';
import { BotLanguage, BotSpecSchema, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { EnsureSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { compareDecisions, readEnsure } from './desired.ts';
import { imageDigest, planContainer, readSpec } from './spec-plan.ts';

const ensure = { userId: 'dev', botId: 'Echo', desired: DesiredState.RUNNING, generation: 3n, epoch: 1n, revision: 3n };

describe('an Ensure', () => {
  it('is read with its defaults', () => {
    const read = unwrap(
      readEnsure(create(EnsureSchema, { ...ensure, deadlineAt: timestampFromMs(5000), remainingMs: 70n })),
    );
    expect(read).toMatchObject({
      key: { userId: 'dev', botId: 'Echo' },
      taskId: '',
      desired: { kind: 'running', generation: 3n, epoch: 1n, revision: 3n, stopGraceMs: 10_000 },
      limitMs: 70,
    });
  });

  it.each([
    ['a state newer than this worker', { desired: 99 as DesiredState }],
    ['no state', { desired: DesiredState.UNSPECIFIED }],
    ['a user id that could leave its folder', { userId: '../x' }],
    ['a bot id with a newline', { botId: 'a\n' }],
  ])('with %s is refused', (_what, part) => {
    expect(readEnsure(create(EnsureSchema, { ...ensure, ...part }))).toMatchObject({ ok: false });
  });

  it('is ordered by placement first', () => {
    expect(compareDecisions({ epoch: 2n, generation: 1n }, { epoch: 1n, generation: 9n })).toBe(1);
    expect(compareDecisions({ epoch: 1n, generation: 1n }, { epoch: 1n, generation: 2n })).toBe(-1);
    expect(compareDecisions({ epoch: 1n, generation: 2n }, { epoch: 1n, generation: 2n })).toBe(0);
  });
});

describe('a spec', () => {
  const defaults = { memoryBytes: 256, cpuMillis: 500, env: { TELEGRAM_API_BASE: 'http://base', LANG: 'C' } };
  const simple = { artifactSha256: 'a'.repeat(64), entrypoint: 'bot.py', requirements: ['x'] };
  const spec = (part: object = {}, rest: object = {}) =>
    create(BotSpecSchema, { source: { case: 'simple', value: { ...simple, ...part } as never }, ...rest });

  it('takes the defaults of the worker where it says nothing, and its own variables over those of the operator', () => {
    const read = unwrap(readSpec(spec({}, { env: { LANG: 'de' } }), defaults));
    expect(read).toMatchObject({ source: { language: 'python' }, memoryBytes: 256, cpuMillis: 500 });
    expect(read.env.reveal()).toEqual({ TELEGRAM_API_BASE: 'http://base', LANG: 'de' });
    const limited = spec({}, { limits: { memoryBytes: 9n, cpuMillis: 7 } });
    expect(readSpec(limited, defaults)).toMatchObject({ value: { memoryBytes: 9, cpuMillis: 7 } });
  });

  it.each([
    ['bot.mjs', BotLanguage.UNSPECIFIED, 'node'],
    ['bot.cjs', BotLanguage.UNSPECIFIED, 'node'],
    ['bot', BotLanguage.NODE, 'node'],
    ['bot.js', BotLanguage.PYTHON, 'python'],
  ])('runs %s with language %s as %s', (entrypoint, language, expected) => {
    expect(unwrap(readSpec(spec({ entrypoint, language }), defaults)).source).toMatchObject({ language: expected });
  });

  it('that this version cannot run is refused, not guessed', () => {
    expect(readSpec(create(BotSpecSchema, {}), defaults)).toMatchObject({ problem: { code: 'INVALID_MODE' } });
    expect(readSpec(spec({ entrypoint: 'bot' }), defaults)).toMatchObject({ problem: { code: 'INVALID_ENTRYPOINT' } });
    expect(readSpec(spec({ artifactSha256: '../x' }), defaults)).toMatchObject({ ok: false });
  });

  it('has another image when its source, language or packages differ, and not when its variables do', () => {
    const digest = (value: ReturnType<typeof spec>) => imageDigest(unwrap(readSpec(value, defaults)));
    const base = digest(spec());
    expect(digest(spec({}, { env: { A: 'b' } }))).toBe(base);
    expect(digest(spec({ requirements: ['y'] }))).not.toBe(base);
    expect(digest(spec({ artifactSha256: 'b'.repeat(64) }))).not.toBe(base);
    expect(digest(spec({ language: BotLanguage.NODE }))).not.toBe(base);
  });

  it('becomes a container named and labelled by bot, revision and placement', () => {
    const key = { userId: 'dev', botId: 'Echo' };
    const plan = planContainer(key, 'w', { revision: 4n, epoch: 2n }, unwrap(readSpec(spec(), defaults)));
    expect(plan).toMatchObject({ key, workerId: 'w', revision: 4n, epoch: 2n });
    expect(plan.name).toMatch(/^bot_dev_Echo_[a-z2-7]{16}$/);
    expect(plan.image).toMatch(/^bot_image_[a-z2-7]{16}:g4$/);
  });
});
