/** Builds of several users on one worker: nobody waits for what another user builds. */
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BotSpecSchema, BotState } from '#gen/botrunner/v1/bot_pb.js';
import { createRegistryForTests, type RegistryForTests } from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
let building: string[];
beforeEach(async () => {
  bots = await createRegistryForTests({ buildSlots: 2, quickSlots: 2 });
  building = [];
  const { buildImage } = bots.runtime;
  bots.runtime.buildImage = (build, signal) => {
    building.push(`${build.key.userId}/${build.key.botId}`);
    // RUN sleep 900
    if (build.key.userId === 'bob') return new Promise((_, reject) => signal.addEventListener('abort', reject));
    return buildImage(build, signal);
  };
});
afterEach(() => bots.close());

const start = (userId: string, botId: string, requirements: readonly string[]) => {
  const value = { artifactSha256: 'a'.repeat(64), entrypoint: 'bot.py', requirements: [...requirements] };
  const spec = create(BotSpecSchema, { source: { case: 'simple', value } });
  bots.run(1, { userId, botId, spec, taskId: `${userId}-${botId}` });
};
const stateOf = (userId: string) => bots.reports.observations.findLast((one) => one.userId === userId)?.state;

it('one user’s long builds leave a slot to the others, and take turns among themselves', async () => {
  const waitsOf = (botId: string) =>
    bots.reports.progress.filter(({ taskId }) => taskId === `bob-${botId}`).map(({ message }) => message);
  // One after the other: bots that are started together come to their slot in whatever order their records are written.
  start('bob', 'one', ['aiogram']);
  await bots.until('bob builds', () => building.length > 0);
  for (const botId of ['two', 'three']) start('bob', botId, ['aiogram']);
  await bots.until('his other bots wait', () => ['two', 'three'].every((botId) => waitsOf(botId).length > 0));
  start('alice', 'hers', ['aiogram']);
  await bots.until('alice’s bot runs', () => stateOf('alice') === BotState.RUNNING);
  expect(building).toEqual(['bob/one', 'alice/hers']);
  expect(waitsOf('two').at(-1)).toBe('waiting for another build on this worker to finish');
});

it('a bot without packages starts at once, whatever builds are running', async () => {
  start('bob', 'one', ['aiogram']);
  await bots.until('bob builds', () => building.length === 1);
  start('carol', 'hers', ['aiogram']);
  start('alice', 'light', []);
  await bots.until('alice’s bot runs', () => stateOf('alice') === BotState.RUNNING);
});

it('one user’s images from a server that says nothing leave a slot to the others, and none of them waits for a build', async () => {
  await bots.close();
  bots = await createRegistryForTests({ buildSlots: 2, fetchSlots: 2 });
  const pulling: string[] = [];
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const { pullImage } = bots.runtime;
  bots.runtime.pullImage = async (pull, signal) => {
    pulling.push(`${pull.userId}/${pull.reference}`);
    if (pull.userId === 'bob') await answered;
    return pullImage(pull, signal);
  };
  const startImage = (userId: string, image: string) => {
    const spec = create(BotSpecSchema, { source: { case: 'image', value: { image } } });
    bots.run(1, { userId, botId: image.split(':')[0] ?? '', spec, taskId: `${userId}-${image}` });
  };
  startImage('bob', 'one:1');
  await bots.until('bob pulls', () => pulling.length === 1);
  startImage('bob', 'two:1');
  startImage('alice', 'hers:1');
  await bots.until('alice’s bot runs', () => stateOf('alice') === BotState.RUNNING);
  // His second one waits though the slot that alice has left is free: it is the others'.
  expect(pulling).toEqual(['bob/one:1', 'alice/hers:1']);
  answer();
  await bots.until('his second is pulled, too', () => pulling.length === 3);
});
