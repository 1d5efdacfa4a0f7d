import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createRouterTransport } from '@connectrpc/connect';
import { expect, it } from 'vitest';
import { Secret } from '#common/secret.ts';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { type Job, JobSchema, JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { Interrupted } from '../failures/errors.ts';
import {
  connectionLost,
  FakeOrchestrator,
  goodToken,
  logLines,
  refusal,
  type Step,
} from '../testing/fake-orchestrator.ts';
import { type InstantClock, instantClock } from '../testing/run-cli.ts';
import { sendToken } from '../wire/send-token.ts';
import { clientOver } from './client.ts';
import { waitForJob } from './wait-for-job.ts';

const done: Step = { job: { state: 'completed', status: JobStatus.COMPLETED } };
const running = (reason: string): Step => ({ job: { status: JobStatus.RUNNING, reason } });

async function wait(scripts: Step[][], options: { signal?: AbortSignal; clock?: InstantClock } = {}) {
  const orchestrator = new FakeOrchestrator();
  orchestrator.watchScripts.push(...scripts);
  const interceptors = [sendToken(new Secret(goodToken))];
  const client = clientOver(createRouterTransport(orchestrator.routes, { transport: { interceptors } }), () => {});
  const { job } = await client.for(BotService).startBot({ botId: 'b' });
  const seen: string[] = [];
  const clock = options.clock ?? instantClock();
  const watcher = {
    onJob: (now: Job) => seen.push(now.reason || now.state),
    onBuildOutput: (entries: readonly { text: string }[]) => seen.push(...entries.map(({ text }) => `| ${text}`)),
    onBroken: () => seen.push('broken'),
  };
  const signal = options.signal ?? new AbortController().signal;
  const ended = waitForJob(client, job ?? create(JobSchema), watcher, { clock, random: () => 0, signal });
  const outcome = await ended.then(
    (last) => ({ status: last.status, error: undefined }),
    (error: unknown) => ({ status: undefined, error }),
  );
  return {
    ...outcome,
    seen,
    pausesMs: clock.pausesMs,
    watches: orchestrator.calls.filter((call) => call === 'watchJob').length,
  };
}

it('passes on changes and build output until the job is over', async () => {
  const result = await wait([
    [running('building'), { lines: logLines(['Step 1', 'Step 2']) }, running('starting'), done],
  ]);
  expect(result.seen).toEqual(['building', '| Step 1', '| Step 2', 'starting', 'completed']);
  expect(result).toMatchObject({ status: JobStatus.COMPLETED, watches: 1, pausesMs: [] });
});

it.each<[string, Step[]]>([
  ['breaks', [{ error: connectionLost() }]],
  ['is aborted', [{ error: new ConnectError('reset', Code.Aborted) }]],
  ['is refused because the orchestrator is stopping', [{ error: refusal('UNAVAILABLE', 'stopping') }]],
  ['just ends', []],
])('opens a new stream, after a pause, when one %s', async (_, broken) => {
  const result = await wait([[running('building'), ...broken], broken, [running('starting'), done]]);
  expect(result.seen).toEqual(['building', 'broken', 'broken', 'starting', 'completed']);
  expect(result.pausesMs).toEqual([250, 500]);
  expect(result.watches).toBe(3);
});

it('begins with short pauses again after the stream was back', async () => {
  const lost: Step = { error: connectionLost() };
  const result = await wait([[lost], [lost], [running('x'), running('y'), lost], [done]]);
  expect(result.pausesMs).toEqual([250, 500, 250]);
});

it('gives up at the deadline of the job, and a little later, not earlier', async () => {
  const clock = instantClock();
  const result = await wait(
    Array.from({ length: 500 }, () => [{ error: connectionLost() }]),
    { clock },
  );
  expect(result.error).toMatchObject({ complaint: { exitCode: 4, code: 'UNREACHABLE' } });
  expect(clock.monotonicMs()).toBeGreaterThan(600_000);
  expect(clock.monotonicMs()).toBeLessThanOrEqual(615_000);
});

it('says so when the orchestrator is there but never reports the end', async () => {
  const result = await wait(Array.from({ length: 500 }, () => [running('building')]));
  expect(result.error).toMatchObject({ complaint: { exitCode: 1, code: 'DEADLINE_EXCEEDED' } });
});

it('ends at once with a refusal', async () => {
  const result = await wait([[{ error: refusal('JOB_NOT_FOUND', 'There is no such job.') }]]);
  expect(result.error).toBeInstanceOf(ConnectError);
  expect(result.watches).toBe(1);
});

it.each(['while it reads', 'while it pauses'])('ends with the interruption %s', async (when) => {
  const ending = new AbortController();
  const interrupt: Step = { call: () => ending.abort(new Interrupted()) };
  const script: Step[] = when === 'while it reads' ? [interrupt, 'silence'] : [interrupt, { error: connectionLost() }];
  const result = await wait([script], { signal: ending.signal });
  expect(result.error).toBeInstanceOf(Interrupted);
  expect(result.watches).toBe(1);
});

it('reckons the time that is left by the clock of the orchestrator', async () => {
  const orchestrator = new FakeOrchestrator();
  orchestrator.watchScripts.push(...Array.from({ length: 100 }, () => []));
  const client = clientOver(
    createRouterTransport(orchestrator.routes, { transport: { interceptors: [sendToken(new Secret(goodToken))] } }),
    () => {},
  );
  const { job } = await client.for(BotService).startBot({ botId: 'b' });
  const clock = instantClock();
  const old = { ...(job ?? create(JobSchema)), updatedAt: timestampFromMs(1_000), deadlineAt: timestampFromMs(6_000) };
  const watcher = { onJob: () => {}, onBuildOutput: () => {}, onBroken: () => {} };
  const { signal } = new AbortController();
  await expect(waitForJob(client, old, watcher, { clock, random: () => 0, signal })).rejects.toThrow('deadline');
  expect(clock.monotonicMs()).toBeLessThanOrEqual(20_000);
});
