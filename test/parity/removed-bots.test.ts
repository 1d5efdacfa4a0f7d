/**
 * The name of a deleted bot is free at once. The orchestrator counts the decisions about a new bot from 1 again; a worker
 * that still remembers the removal of the old one must not mistake them for old ones.
 */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { createRegistryForTests, type RegistryForTests, spec, successOf } from '../worker/kit/registry-for-tests.ts';

let bots: RegistryForTests;
beforeEach(async () => {
  bots = await createRegistryForTests();
});
afterEach(() => bots.close());

it('a bot that is deleted and started again at once runs, with its own code', async () => {
  bots.run(1, { taskId: 't1' });
  await bots.result('t1');
  bots.stop(2, { taskId: 't2', desired: DesiredState.REMOVED });
  await bots.result('t2');
  bots.run(1, { taskId: 't3', spec: spec({}, 'b') });
  expect(successOf(await bots.result('t3'))).toBeDefined();
  expect(bots.observation()).toMatchObject({ state: BotState.RUNNING, generation: 1n });
  expect(bots.runtime.done.filter((step) => /^(build|start)/.test(step))).toEqual([
    'build echo g1',
    'start echo r1',
    'build echo g1',
    'start echo r1',
  ]);
});

it('a start that came before the removal and comes again without its task revives nothing', async () => {
  bots.run(1, { taskId: 't1' });
  await bots.result('t1');
  bots.stop(2, { taskId: 't2', desired: DesiredState.REMOVED });
  await bots.result('t2');
  bots.run(1, { taskId: 't1' });
  bots.run(1);
  await bots.pass(5000);
  expect(bots.runtime.containers.size).toBe(0);
});
