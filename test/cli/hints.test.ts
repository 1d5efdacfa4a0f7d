/** Hints speak the language of the door: a REST answer names fields of the request, the command line names its options. */
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import type { Problem, Result } from '#common/problem.ts';
import { type ProblemCode, problemCodes } from '#common/problem-codes.ts';
import { BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import { readCommandSpecs } from '../../cli/commands/catalogue.ts';
import { hintFor, requestWords } from '../../cli/render/hints.ts';
import { checkQuota } from '../../orchestrator/core/quota.ts';
import { defaultBounds } from '../../orchestrator/core/validate/bot-request.ts';
import { parseSpec } from '../../orchestrator/core/validate/spec-request.ts';
import { validateBotRequest } from '../../orchestrator/core/validate/validate-bot-request.ts';
import { tokenInUse } from '../../orchestrator/engine/token-ownership.ts';
import { gitFailure } from '../../worker/fetch/git-failure.ts';
import { pullProblem } from '../../worker/runtime/docker/pull-failure.ts';

const options = (await readCommandSpecs())
  .flatMap(({ options: own }) => own.flatMap(({ names }) => names))
  .filter((name) => name.startsWith('--'));
const namesOption = (hint: string) => options.find((name) => new RegExp(`(^|[ (])${name}\\b`).test(hint));
const namesField = (hint: string) => requestWords.find((word) => hint.includes(word));

const start = { action: 'start', bot_id: 'b', deployment_mode: 'simple', code: 'print(1)' };
const custom = { action: 'start', bot_id: 'b', deployment_mode: 'custom' };
const image = { action: 'start', bot_id: 'b', deployment_mode: 'image', docker_image: 'x:1' };
const refusedData: readonly object[] = [
  {},
  { action: 'strat' },
  { action: 'start' },
  { ...start, deployment_mode: 'simpel' },
  { ...start, code: '' },
  { ...start, files: { 'a.py': '' } },
  { ...start, code: '', files: [] },
  { ...start, code: '', files: {} },
  { ...start, code: '', files: { '../a.py': '' } },
  { ...start, entrypoint: 'a.sh' },
  { ...start, requirements: '-e .' },
  { ...start, requirements: ['--index-url x'] },
  { ...start, env_vars: [] },
  { ...start, env_vars: { 'a b': '' } },
  { ...start, resource_limits: 1 },
  { ...start, resource_limits: { memory_mb: 1 } },
  { ...start, git_repo: 'https://github.com/me/b.git' },
  custom,
  { ...custom, docker_image: 'x' },
  { ...custom, archive: '%' },
  { ...custom, archive_url: 'https://example.com/a.tar.gz', git_branch: 'main' },
  { ...custom, git_repo: 'git@github.com:me/b.git' },
  { ...custom, git_repo: 'https://me:pw@github.com/me/b.git' },
  { ...custom, git_repo: 'https://example.com/b.tar.gz' },
  { ...custom, git_repo: 'https://github.com/me/b.git', git_auth: 1 },
  { ...image, docker_image: '' },
  { ...image, docker_image: 'a b' },
  { ...image, registry_auth: { username: 'me' } },
  { ...image, pull: 1 },
  { action: 'logs', bot_id: 'b', lines: 0 },
];
const sha256 = '0'.repeat(64);
const refusedSpecs = [
  create(BotSpecSchema, {}),
  create(BotSpecSchema, { source: { case: 'simple', value: { artifactSha256: sha256, entrypoint: 'a.sh' } } }),
  create(BotSpecSchema, {
    source: { case: 'simple', value: { artifactSha256: sha256, entrypoint: 'a.py', requirements: ['-e .'] } },
  }),
  create(BotSpecSchema, {
    source: { case: 'simple', value: { artifactSha256: sha256, entrypoint: 'a.py' } },
    limits: { memoryBytes: 1n },
  }),
  create(BotSpecSchema, {
    source: { case: 'simple', value: { artifactSha256: sha256, entrypoint: 'a.py' } },
    limits: { cpuMillis: 1 },
  }),
  create(BotSpecSchema, {
    source: { case: 'custom', value: { from: { case: 'git', value: { url: 'git@github.com:me/b.git' } } } },
  }),
  create(BotSpecSchema, {
    source: { case: 'custom', value: { from: { case: 'git', value: { url: 'https://example.com/b.tar.gz' } } } },
  }),
  create(BotSpecSchema, { source: { case: 'image', value: { image: 'x:1', credentials: { username: 'me' } } } }),
];

const problemOf = (result: Result<unknown>): Problem[] => (result.ok ? [] : [result.problem]);
const holder = { userId: 'ann', botId: 'a' };
const problems: readonly Problem[] = [
  ...refusedData.flatMap((data) => problemOf(validateBotRequest(data))),
  ...refusedSpecs.flatMap((spec) => problemOf(parseSpec(spec, defaultBounds))),
  ...problemOf(checkQuota(new Set(['bot-1']), 'b', 1)),
  tokenInUse('ann', [holder]),
  tokenInUse('bob', [holder]),
  pullProblem('auth', 'x:1', false),
  pullProblem('auth', 'x:1', true),
  pullProblem('absent', 'x:1', false),
  gitFailure('Authentication failed', false),
  gitFailure('Authentication failed', true),
];
const cures = (Object.keys(problemCodes) as ProblemCode[]).map((code) => ({ code, hint: problemCodes[code].cure }));
const all = [...cures, ...problems];

describe('a hint', () => {
  it('was collected from every refusal above', () => {
    expect(problems).toHaveLength(refusedData.length + refusedSpecs.length + 8);
  });

  it('names fields of the request and no option of the command line where it is made', () => {
    const wrong = all.filter(({ hint }) => namesOption(hint) !== undefined);
    expect(wrong.map(({ code, hint }) => `${code}: ${hint}`)).toEqual([]);
    expect(all.some(({ hint }) => namesField(hint) !== undefined)).toBe(true);
  });

  it('names options and no field of the request on the command line', () => {
    const shown = all.map(({ code, hint }) => ({ code, hint: hintFor(code, hint) }));
    expect(shown.filter(({ hint }) => namesField(hint) !== undefined)).toEqual([]);
    expect(shown.filter(({ hint }) => namesOption(hint) !== undefined).length).toBeGreaterThan(10);
  });

  it.each<[string, string, string]>([
    ['TOKEN_IN_USE', 'Move the token with "takeover": true.', 'Move the token with --takeover.'],
    ['REGISTRY_AUTH_FAILED', 'Give "registry_auth".', 'Give --registry-user and --registry-pass-stdin.'],
    ['BOT_NOT_FOUND', 'List your bots with the action "list".', 'List your bots with: avtomatika-bot list'],
    [
      'DEADLINE_EXCEEDED',
      'Check the bot with the action "status", then try again.',
      'Check the bot with: avtomatika-bot status BOT, then try again.',
    ],
    ['UNAUTHENTICATED', 'Send a header.', 'Set AVTOMATIKA_TOKEN to your token, or give --token.'],
    ['INVALID_BOT_ID', 'Use 1 to 64 Latin letters.', 'Use 1 to 64 Latin letters.'],
    ['NEWER_THAN_THIS_PROGRAM', 'Fix it.', 'Fix it.'],
  ])('of %s that reads %j is shown as %j', (code, hint, shown) => {
    expect(hintFor(code, hint)).toBe(shown);
  });
});
