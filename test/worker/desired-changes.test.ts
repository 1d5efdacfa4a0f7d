/** What a worker makes of changes of its desired set, and of sets that come late. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { DesiredChangesSchema, DesiredSetSchema, type EnsureSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { createRegistryForTests, type RegistryForTests, spec } from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
beforeEach(async () => {
  bots = await createRegistryForTests();
});
afterEach(() => bots.close());

type Bot = MessageInitShape<typeof EnsureSchema>;

const runs = (botId: string, extra: Bot = {}): Bot => ({
  userId: 'dev',
  botId,
  epoch: 1n,
  generation: 1n,
  revision: 1n,
  desired: DesiredState.RUNNING,
  spec: spec(),
  ...extra,
});
const set = (version: bigint, all: readonly Bot[], anew = false) =>
  bots.registry.applyDesiredSet(create(DesiredSetSchema, { version, bots: [...all] }), anew);
const changes = (message: MessageInitShape<typeof DesiredChangesSchema>) =>
  bots.registry.applyDesiredChanges(create(DesiredChangesSchema, message));
const states = () => Object.fromEntries(bots.registry.snapshot().map(({ botId, state }) => [botId, state]));
const untilRunning = (...botIds: readonly string[]) =>
  bots.until(`${botIds.join(' and ')} run`, () => botIds.every((botId) => states()[botId] === BotState.RUNNING));
const untilOnly = (...botIds: readonly string[]) =>
  bots.until(`only ${botIds.join(' and ')} are left`, () => Object.keys(states()).sort().join() === botIds.join());

it('that fit are applied: what has changed converges, what is gone is removed, all else is left alone', async () => {
  set(5n, [runs('a'), runs('b'), runs('c')], true);
  await untilRunning('a', 'b', 'c');
  bots.runtime.done.length = 0;
  expect(changes({ baseVersion: 5n, version: 5n })).toBe(true);
  expect(changes({ baseVersion: 5n, version: 8n, bots: [runs('d')], gone: [{ userId: 'dev', botId: 'b' }] })).toBe(
    true,
  );
  await untilOnly('a', 'c', 'd');
  await untilRunning('a', 'c', 'd');
  expect(bots.runtime.done.filter((done) => / [ac] /.test(done))).toEqual([]);
  expect(bots.registry.desiredVersion).toBe(8n);
});

it('that are based on another set change nothing', async () => {
  set(5n, [runs('a')], true);
  await untilRunning('a');
  expect(changes({ baseVersion: 6n, version: 7n, bots: [runs('d')], gone: [{ userId: 'dev', botId: 'a' }] })).toBe(
    false,
  );
  expect(bots.registry.desiredVersion).toBe(5n);
  await bots.pass(1_000);
  expect(states()).toEqual({ a: BotState.RUNNING });
});

it('a set that was read before a bot was placed here leaves that bot alone, a later one removes it', async () => {
  set(5n, [runs('a')], true);
  bots.ensure(runs('new', { desiredVersion: 7n }));
  await untilRunning('a', 'new');
  set(6n, [runs('a')]);
  await bots.pass(1_000);
  expect(states()).toEqual({ a: BotState.RUNNING, new: BotState.RUNNING });
  set(7n, [runs('a')]);
  await untilOnly('a');
});

it('changes that were read before a bot was placed here leave that bot alone', async () => {
  set(5n, [runs('a')], true);
  bots.ensure(runs('new', { desiredVersion: 8n }));
  await untilRunning('a', 'new');
  const gone = [{ userId: 'dev', botId: 'new' }];
  expect(changes({ baseVersion: 5n, version: 7n, gone })).toBe(true);
  await bots.pass(1_000);
  expect(states()).toEqual({ a: BotState.RUNNING, new: BotState.RUNNING });
  expect(changes({ baseVersion: 7n, version: 8n, gone })).toBe(true);
  await untilOnly('a');
});

it('a session that begins knows nothing of versions of the one before, and the set of an old orchestrator is the truth', async () => {
  set(50n, [runs('a')], true);
  bots.ensure(runs('b', { desiredVersion: 51n }));
  await untilRunning('a', 'b');
  set(0n, [runs('a')], true);
  await untilOnly('a');
  set(0n, []);
  await untilOnly();
});
