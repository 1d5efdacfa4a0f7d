import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { BotLanguage, BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import { mergeSpec } from './merge-spec.ts';
import { noChange, type SpecChange } from './validate/bot-request.ts';

type Init = MessageInitShape<typeof BotSpecSchema>;

const change = (reset: Partial<SpecChange['reset']> = {}, replaceEnv = false): SpecChange => ({
  replaceEnv,
  reset: { ...noChange.reset, ...reset },
});
function merged(before: Init, given: Init, how: SpecChange = noChange) {
  const result = mergeSpec(create(BotSpecSchema, before), create(BotSpecSchema, given), how);
  return result.ok ? result.value : result.problem.code;
}
const simple = (requirements: string[], language = BotLanguage.PYTHON): Init => ({
  source: { case: 'simple', value: { artifactSha256: 'a', entrypoint: 'bot.py', requirements, language } },
});
const git = (url: string, more: { ref?: string; subdir?: string; password?: string } = {}): Init => ({
  source: {
    case: 'custom',
    value: {
      from: {
        case: 'git',
        value: {
          url,
          ref: more.ref ?? '',
          subdir: more.subdir ?? '',
          ...(more.password === undefined ? {} : { credentials: { username: 'u', password: more.password } }),
        },
      },
    },
  },
});
const image = (name: string, password?: string): Init => ({
  source: {
    case: 'image',
    value: { image: name, ...(password === undefined ? {} : { credentials: { username: 'u', password } }) },
  },
});
const passwordOf = (spec: ReturnType<typeof merged>) =>
  typeof spec !== 'string' && spec.source.case === 'image' ? spec.source.value.credentials?.password : undefined;

describe('what an update does not name', () => {
  it('of the environment stays, variable by variable', () => {
    expect(merged({ env: { A: '1', B: '2' } }, { env: { A: '9' } })).toMatchObject({ env: { A: '9', B: '2' } });
    expect(merged({ env: { A: '1', B: '2' } }, {}, change({ env: ['B', 'C'] }))).toMatchObject({ env: { A: '1' } });
    const replaced = merged({ env: { A: '1', B: '2' } }, { env: { A: '9' } }, change({}, true));
    expect(replaced).toHaveProperty('env', { A: '9' });
    expect(merged({ env: { A: '1' } }, {}, change({}, true))).toHaveProperty('env', {});
  });

  it('of how a Dockerfile is built stays, argument by argument', () => {
    const built = (value: { buildArgs?: Record<string, string>; target?: string; dockerfile?: string }): Init => ({
      source: { case: 'custom', value: { from: { case: 'artifactSha256', value: 'a' }, ...value } },
    });
    const before = built({ buildArgs: { A: '1', B: '2' }, target: 'prod', dockerfile: 'docker/x' });
    const customOf = (spec: ReturnType<typeof merged>) =>
      typeof spec !== 'string' && spec.source.case === 'custom' ? spec.source.value : undefined;
    expect(customOf(merged(before, built({ buildArgs: { A: '9' } })))).toMatchObject({
      buildArgs: { A: '9', B: '2' },
      target: 'prod',
      dockerfile: 'docker/x',
    });
    const reset = change({ buildArgs: ['B', 'C'], target: true, dockerfile: true });
    expect(customOf(merged(before, built({}), reset))).toMatchObject({
      buildArgs: { A: '1' },
      target: '',
      dockerfile: '',
    });
    expect(customOf(merged(before, built({ target: 'test' }), reset))).toMatchObject({ target: 'test' });
    expect(customOf(merged(simple(['x']), built({})))).toMatchObject({ buildArgs: {}, target: '' });
  });

  it('of the files to install from stays, unless packages are named', () => {
    const files: Init = {
      source: {
        case: 'simple',
        value: { artifactSha256: 'a', requirementFiles: ['r.txt'], language: BotLanguage.PYTHON },
      },
    };
    expect(merged(files, simple([]))).toMatchObject({ source: { value: { requirementFiles: ['r.txt'] } } });
    expect(merged(files, simple(['x']))).toMatchObject({
      source: { value: { requirementFiles: [], requirements: ['x'] } },
    });
    expect(merged(simple(['x']), files)).toMatchObject({
      source: { value: { requirementFiles: ['r.txt'], requirements: [] } },
    });
    expect(merged(files, simple([], BotLanguage.NODE))).toMatchObject({ source: { value: { requirementFiles: [] } } });
    expect(merged(files, simple([]), change({ requirements: true }))).toMatchObject({
      source: { value: { requirementFiles: [] } },
    });
  });

  it('of the limits stays, each on its own, until it is reset', () => {
    const before = { limits: { memoryBytes: 512n, cpuMillis: 250 } };
    expect(merged(before, {})).toMatchObject(before);
    expect(merged(before, { limits: { cpuMillis: 100 } })).toMatchObject({
      limits: { memoryBytes: 512n, cpuMillis: 100 },
    });
    expect(merged(before, {}, change({ memory: true }))).toMatchObject({ limits: { memoryBytes: 0n, cpuMillis: 250 } });
    expect(merged(before, {}, change({ cpus: true }))).toMatchObject({ limits: { memoryBytes: 512n, cpuMillis: 0 } });
    // What is named wins over a reset.
    const withDisk = { limits: { diskBytes: 99n } };
    expect(merged(withDisk, {})).toMatchObject(withDisk);
    expect(merged(withDisk, {}, change({ disk: true }))).toMatchObject({ limits: { diskBytes: 0n } });
    expect(merged(withDisk, { limits: { diskBytes: 5n } })).toMatchObject({ limits: { diskBytes: 5n } });
    const both = merged(before, { limits: { memoryBytes: 64n } }, change({ memory: true }));
    expect(both).toMatchObject({ limits: { memoryBytes: 64n } });
  });

  it('of the other limits stays, too', () => {
    const before = { limits: { pids: 200, stopGraceMs: 30_000, stopSignal: 'SIGINT' } };
    expect(merged(before, {})).toMatchObject(before);
    expect(merged(before, { limits: { pids: 300 } })).toMatchObject({ limits: { ...before.limits, pids: 300 } });
    const none = { limits: { pids: 0, stopGraceMs: 0, stopSignal: '' } };
    expect(merged(before, {}, change({ pids: true, stopGrace: true, stopSignal: true }))).toMatchObject(none);
  });

  it('is the source where none is given', () => {
    expect(merged({ ...simple(['x']), env: { A: '1' } }, { env: { B: '2' } })).toMatchObject({
      ...simple(['x']),
      env: { A: '1', B: '2' },
    });
  });

  it('of the labels stays, key by key', () => {
    const on = { zone: 'eu', gpu: 'yes' };
    expect(merged({ on }, { on: { zone: 'us' } })).toMatchObject({ on: { zone: 'us', gpu: 'yes' } });
    expect(merged({ on }, {}, change({ on: ['gpu'] }))).toHaveProperty('on', { zone: 'eu' });
  });

  it('of the packages stays for the same language', () => {
    expect(merged(simple(['aiogram']), simple([]))).toMatchObject(simple(['aiogram']));
    expect(merged(simple(['aiogram']), simple(['httpx']))).toMatchObject(simple(['httpx']));
    expect(merged(simple(['aiogram']), simple([]), change({ requirements: true }))).toMatchObject(simple([]));
    expect(merged(simple(['aiogram']), simple([], BotLanguage.NODE))).toMatchObject(simple([], BotLanguage.NODE));
  });

  it('of a git source stays for the same repository, and never goes to another', () => {
    const before = git('https://a.example/x', { ref: 'dev', subdir: 'bot', password: 'p' });
    expect(merged(before, git('https://a.example/x'))).toMatchObject(before);
    const moved = merged(before, git('https://a.example/x', { ref: 'main' }));
    expect(moved).toMatchObject(git('https://a.example/x', { ref: 'main', subdir: 'bot', password: 'p' }));
    expect(JSON.stringify(merged(before, git('https://b.example/x')), bigints)).not.toContain('"p"');
  });

  it('of an image is the login for the same registry, which goes to no other', () => {
    expect(passwordOf(merged(image('ghcr.io/me/bot:1', 'p'), image('ghcr.io/me/other:2')))).toBe('p');
    expect(passwordOf(merged(image('ghcr.io/me/bot:1', 'p'), image('ghcr.io/me/bot:2', 'q')))).toBe('q');
    expect(passwordOf(merged(image('ghcr.io/me/bot:1', 'p'), image('evil.example/me/bot:1')))).toBeUndefined();
    expect(passwordOf(merged(image('me/bot:1', 'p'), image('docker.io/me/bot:2')))).toBe('p');
    expect(passwordOf(merged(image('me/bot:1', 'p'), image('ghcr.io/me/bot:2')))).toBeUndefined();
  });
});

describe('what is too much together', () => {
  const named = (prefix: string, count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`${prefix}${n}`, 'x']));

  it('is refused by the rules for a single request', () => {
    expect(merged({ env: named('A', 150) }, { env: named('B', 51) })).toBe('INVALID_ENV_VARS');
    expect(merged({ env: named('A', 150) }, { env: named('A', 150) })).not.toBe('INVALID_ENV_VARS');
    expect(merged({ on: named('a', 10) }, { on: named('b', 7) })).toBe('INVALID_LABELS');
  });
});

const bigints = (_: string, value: unknown) => (typeof value === 'bigint' ? Number(value) : value);
