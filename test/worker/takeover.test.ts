/** A bot that takes a Telegram token over: built, and held until the orchestrator says that the token is its own. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ProblemError, problem } from '#common/problem.ts';
import { TransientError } from '#common/waiting/transient.ts';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { createRegistryForTests, failureOf, type RegistryForTests, successOf } from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
beforeEach(async () => {
  bots = await createRegistryForTests();
  bots.claimAnswer = () => 'pending';
});
afterEach(async () => {
  expect(bots.runtime.overlaps()).toBe(0);
  await bots.close();
});

const waits = () => bots.until('it asks for the tokens', () => bots.claims.length > 1);

it('is built, and neither created nor started before the tokens are its own', async () => {
  bots.run(1, { taskId: 't1', claimTokens: true });
  await waits();
  await bots.pass(5_000);
  expect(bots.runtime.done).toEqual(['build echo g1']);
  expect(bots.reports.progress.at(-1)).toMatchObject({
    state: BotState.PENDING,
    message: 'it is built, and is waiting for the other bot to release the Telegram token',
  });
  expect(bots.claims.every((built) => built)).toBe(true);
  bots.claimAnswer = () => 'granted';
  expect(successOf(await bots.result('t1'))).toBeDefined();
  expect(bots.runtime.done).toEqual(['build echo g1', 'create echo r1', 'start echo r1']);
});

it('asks nothing when its build fails', async () => {
  bots.runtime.failNext('buildImage', new ProblemError(problem('BUILD_FAILED', 'Line 3 is wrong.')));
  bots.run(1, { taskId: 't1', claimTokens: true });
  expect(failureOf(await bots.result('t1'))).toMatchObject({ code: 'BUILD_FAILED' });
  expect(bots.claims).toEqual([]);
});

it('keeps its own old version running until then', async () => {
  bots.run(1, { taskId: 't1' });
  await bots.result('t1');
  bots.run(2, { taskId: 't2', claimTokens: true });
  await waits();
  await bots.pass(3_000);
  expect(bots.runtime.only()).toMatchObject({ revision: 1n, status: 'running' });
  bots.claimAnswer = () => 'granted';
  await bots.result('t2');
  expect(bots.runtime.only()).toMatchObject({ revision: 2n, status: 'running' });
});

it('asks also when its image is there from before', async () => {
  bots.run(1, { taskId: 't1' });
  await bots.result('t1');
  bots.stop(2, { taskId: 't2', revision: 1n });
  await bots.result('t2');
  const before = bots.runtime.done.length;
  bots.run(1, { taskId: 't3', generation: 3n, claimTokens: true });
  await waits();
  await bots.pass(3_000);
  expect(bots.runtime.done.slice(before)).toEqual([]);
  bots.claimAnswer = () => 'granted';
  await bots.result('t3');
  expect(bots.runtime.done.slice(before)).toEqual(['create echo r1', 'start echo r1']);
});

it('asks again, without building again, when the orchestrator was away or the worker was killed meanwhile', async () => {
  bots.claimAnswer = () => {
    throw new TransientError('the orchestrator is not connected');
  };
  bots.run(1, { taskId: 't1', claimTokens: true });
  await waits();
  await bots.pass(3_000);
  expect(bots.runtime.builds).toHaveLength(1);
  bots.claimAnswer = () => 'pending';
  await bots.restart();
  const asked = bots.claims.length;
  await bots.pass(3_000);
  // The new process has no commands yet.
  expect(bots.claims).toHaveLength(asked);
  bots.run(1, { taskId: 't1', claimTokens: true });
  await bots.until('it asks again', () => bots.claims.length > asked);
  expect(bots.runtime.done.filter((what) => what.startsWith('create'))).toEqual([]);
  bots.claimAnswer = () => 'granted';
  expect(successOf(await bots.result('t1'))).toBeDefined();
});

it('ends without a container when the tokens are refused, the job is cancelled or the bot is stopped', async () => {
  bots.run(1, { taskId: 't1', claimTokens: true });
  await waits();
  bots.registry.cancelTask('t1');
  expect(failureOf(await bots.result('t1'))).toMatchObject({ code: 'CANCELLED' });
  bots.claimAnswer = () => {
    throw new ProblemError(problem('TOKEN_IN_USE', 'Its worker is silent.'));
  };
  bots.run(2, { taskId: 't2', claimTokens: true });
  expect(failureOf(await bots.result('t2'))).toMatchObject({ code: 'TOKEN_IN_USE' });
  bots.claimAnswer = () => 'pending';
  bots.run(3, { taskId: 't3', claimTokens: true });
  const asked = bots.claims.length;
  await bots.until('it asks', () => bots.claims.length > asked);
  bots.stop(4, { taskId: 't4' });
  expect(successOf(await bots.result('t4'))).toBeDefined();
  expect(failureOf(await bots.result('t3'))).toMatchObject({ code: 'CANCELLED' });
  expect(bots.runtime.done.filter((what) => !what.startsWith('build'))).toEqual([]);
});
