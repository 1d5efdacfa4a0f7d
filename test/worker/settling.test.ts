/** What is done for the next start of a version that stays up. On a scripted engine and a clock that the test moves. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inBackground } from '#common/background.ts';
import { type BotKey, imageName } from '#common/ids.ts';
import { DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { createRegistryForTests, echo, type RegistryForTests } from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
/** What was settled, and how that ended. */
let settled: string[];
/** Whether it takes until it is given up. */
let lasts: boolean;
let others: string[];
/** Resolves when it may end after it was given up. */
let mayEnd: Promise<void>;

beforeEach(async () => {
  bots = await createRegistryForTests();
  settled = [];
  lasts = false;
  others = [];
  mayEnd = Promise.resolve();
  let underWay = 0;
  const { runtime } = bots;
  const beside =
    <T extends unknown[], R>(what: string, keyOf: (...words: T) => BotKey, work: (...words: T) => R) =>
    (...words: T): R => {
      if (underWay > 0 && keyOf(...words).botId === echo.botId) others.push(what);
      return work(...words);
    };
  runtime.buildImage = beside('build', ({ key }) => key, runtime.buildImage);
  runtime.create = beside('create', ({ key }) => key, runtime.create);
  runtime.removeImages = beside('removal', (key) => key, runtime.removeImages);
  runtime.settleImage = async (key, image, signal) => {
    expect(key).toEqual(echo);
    settled.push(image);
    if (!lasts) return;
    underWay += 1;
    await new Promise((_, reject) => {
      signal.addEventListener('abort', () =>
        inBackground(
          mayEnd.then(() => reject(signal.reason)),
          reject,
        ),
      );
    }).finally(() => {
      underWay -= 1;
    });
  };
});
afterEach(async () => {
  expect(others).toEqual([]);
  await bots.close();
});

const image = (revision: bigint) => imageName(echo, revision);

it('is done once for a version, a while after it was started', async () => {
  bots.run(1, { taskId: 't1' });
  await bots.result('t1');
  expect(settled).toEqual([]);
  await bots.pass(5000);
  expect(settled).toEqual([image(1n)]);
  bots.stop(2, { taskId: 't2' });
  await bots.result('t2');
  bots.run(1, { taskId: 't3', generation: 3n });
  await bots.result('t3');
  bots.run(2, { taskId: 't4', generation: 4n });
  await bots.result('t4');
  await bots.pass(60_000);
  expect(settled).toEqual([image(1n), image(2n)]);
});

it('is not done for one that has stopped or ended meanwhile, nor for one that did not stay up', async () => {
  bots.run(1, { taskId: 't1' });
  await bots.result('t1');
  bots.stop(2, { taskId: 't2' });
  await bots.result('t2');
  await bots.pass(60_000);
  bots.runtime.behaviour = { exits: 1 };
  bots.run(3, { taskId: 't3' });
  await bots.result('t3');
  await bots.pass(60_000);
  expect(settled).toEqual([]);
});

it('makes way for a new version and for a removal, and is done again later', async () => {
  lasts = true;
  bots.run(1, { taskId: 't1' });
  await bots.result('t1');
  await bots.pass(5000);
  expect(settled).toEqual([image(1n)]);
  bots.run(2, { taskId: 't2' });
  await bots.result('t2');
  await bots.pass(5000);
  expect(settled).toEqual([image(1n), image(2n)]);
  bots.stop(3, { taskId: 't3', desired: DesiredState.REMOVED });
  await bots.result('t3');
  expect(bots.runtime.images()).toEqual([]);
});

it('is done again for a version whose image was removed in the meantime', async () => {
  bots.run(1, { taskId: 't1' });
  await bots.result('t1');
  await bots.pass(5000);
  bots.run(2, { taskId: 't2' });
  await bots.result('t2');
  await bots.until('the former image is removed', () => !bots.runtime.images().includes(image(1n)));
  bots.run(1, { taskId: 't3', generation: 3n });
  await bots.result('t3');
  await bots.pass(5000);
  expect(settled).toEqual([image(1n), image(1n)]);
});

describe('beside a removal of old images', () => {
  let removal: PromiseWithResolvers<void>;
  let removals: number;
  beforeEach(async () => {
    removal = Promise.withResolvers();
    removals = 0;
    const { runtime } = bots;
    const remove = runtime.removeImages;
    runtime.removeImages = async (key, keep, signal) => {
      if (keep.includes(image(2n))) {
        removals += 1;
        if (removals === 1) await removal.promise;
      }
      await remove(key, keep, signal);
    };
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
  });

  it('is not begun, but afterwards', async () => {
    bots.run(2, { taskId: 't2' });
    await bots.result('t2');
    await bots.pass(20_000);
    expect([removals, settled]).toEqual([1, []]);
    removal.resolve();
    await bots.pass(6000);
    expect(settled).toEqual([image(2n)]);
  });

  it('is done, though the removal has failed and is tried again', async () => {
    bots.run(2, { taskId: 't2' });
    await bots.result('t2');
    await bots.pass(3000);
    removal.reject(new Error('the engine is busy'));
    await bots.pass(1000);
    // The bot looks at what there is to do.
    bots.run(2);
    await bots.pass(60_000);
    expect([removals, settled]).toEqual([2, [image(2n)]]);
  });
});

it.each([
  ['a new version', async () => bots.run(2, { taskId: 't2' })],
  ['a removal', async () => bots.stop(2, { taskId: 't2', desired: DesiredState.REMOVED })],
  [
    'a new container',
    async () => {
      bots.stop(2, { taskId: 'stopped' });
      await bots.result('stopped');
      bots.run(1, { taskId: 't2', generation: 3n });
    },
  ],
])('holds up %s until what was given up has really ended', async (_, change) => {
  const end = Promise.withResolvers<void>();
  mayEnd = end.promise;
  lasts = true;
  bots.run(1, { taskId: 't1' });
  await bots.result('t1');
  await bots.pass(5000);
  await change();
  // In this time it would have begun.
  bots.run(1, { taskId: 'another', botId: 'another' });
  await bots.result('another');
  expect(others).toEqual([]);
  expect(bots.reports.results.map(({ taskId }) => taskId)).not.toContain('t2');
  end.resolve();
  await bots.result('t2');
});
