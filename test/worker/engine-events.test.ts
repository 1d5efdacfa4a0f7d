/** What an event of the engine is worth a look, and what the worker has seen itself. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { createRegistryForTests, type RegistryForTests } from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
beforeEach(async () => {
  bots = await createRegistryForTests();
  bots.run(1, { taskId: 't1' });
  await bots.result('t1');
});
afterEach(() => bots.close());

const looks = () => bots.runtime.calls.filter((call) => call === 'inspect' || call === 'list').length;
const happened = (kind: 'started' | 'ended') => bots.registry.happened({ containerId: bots.runtime.only().id, kind });

it('an event that says what is known is no reason to ask the engine, one that does not is', async () => {
  const before = looks();
  happened('started');
  // A bot that is stopped looks once itself: the steps after the event are its own.
  bots.runtime.exit(bots.runtime.only().id, 0);
  happened('ended');
  await bots.until('it is exited', () => bots.state() === BotState.EXITED);
  expect(looks()).toBe(before + 1);
  happened('ended');
  await bots.runtime.start(bots.runtime.only().id, AbortSignal.timeout(5000));
  happened('started');
  await bots.until('it runs', () => bots.state() === BotState.RUNNING);
  expect(looks()).toBe(before + 2);
});

it('what happens while the answer is awaited is not mistaken for part of the answer', async () => {
  const { id } = bots.runtime.only();
  const { inspect } = bots.runtime;
  let looked = 0;
  bots.runtime.inspect = async (one, signal) => {
    looked += 1;
    const facts = await inspect(one, signal);
    if (looked === 1) {
      // After the answer was made, and before it is here: it runs again, and ends again.
      await bots.runtime.start(id, signal);
      happened('started');
      bots.runtime.exit(id, 3);
      happened('ended');
    }
    return facts;
  };
  bots.runtime.exit(id, 0);
  happened('ended');
  await bots.until('the last end is known', () => bots.observation()?.exitCode === 3);
});
