/** A worker whose disk somebody else has filled: a small file system of its own, where one can be mounted. */
import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { BotSpecSchema, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { type EnsureSchema, OpenTailSchema, type TaskResult } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { createRecordingLogger } from '../kit/recording-logger.ts';
import { mountSmallDisk, type SmallDisk } from '../kit/small-disk.ts';
import { echo } from './kit/registry-for-tests.ts';
import type { HeardSession } from './kit/scripted-orchestrator.ts';
import { createWorkerForTests, type WorkerForTests } from './kit/worker-for-tests.ts';

let disk: SmallDisk | undefined;
let world: WorkerForTests | undefined;
beforeEach(({ skip }) => {
  disk = mountSmallDisk(8);
  if (disk === undefined) return skip('no file system can be mounted here');
});
afterEach(async () => {
  await world?.close();
  world = undefined;
  disk?.[Symbol.dispose]();
});

async function tarOf(bytes: number): Promise<{ readonly tar: Buffer; readonly sha256: string }> {
  const packed = pack();
  packed.entry({ name: 'bot.py' }, randomBytes(bytes));
  packed.finalize();
  const tar = await buffer(packed);
  return { tar, sha256: createHash('sha256').update(tar).digest('hex') };
}

it('keeps its bots running, stops, restarts and removes them, tells it, and starts others once there is room', async () => {
  const log = createRecordingLogger();
  const worker = await createWorkerForTests(systemClock, disk?.path);
  world = worker;
  await worker.start(undefined, log.logger);
  const session = await worker.orchestrator.session(0);
  const ensure = (botId: string, taskId: string, extra: MessageInitShape<typeof EnsureSchema> = {}) =>
    session.send({ case: 'ensure', value: worker.ensure({ botId, taskId, ...extra }) });
  for (const botId of ['runs', 'stops', 'restarts', 'goes']) {
    ensure(botId, `start-${botId}`);
    await resultOf(session, `start-${botId}`);
  }
  const containerOf = (botId: string) =>
    [...worker.runtime.containers.values()].find(({ plan }) => plan.key.botId === botId);
  const runs = containerOf('runs');
  disk?.fill();
  const said = log.lines.length;
  worker.runtime.print(containerOf('stops')?.id ?? '', 'x'.repeat(10_000));
  const noSpec = { spec: undefined };
  const changes: readonly [string, string, MessageInitShape<typeof EnsureSchema>][] = [
    ['restarts', 'restart', { restart: true }],
    ['stops', 'stop', { desired: DesiredState.STOPPED, ...noSpec }],
    ['goes', 'delete', { desired: DesiredState.REMOVED, ...noSpec }],
  ];
  for (const [botId, taskId, change] of changes) {
    ensure(botId, taskId, { generation: 2n, ...change });
    expect([taskId, (await resultOf(session, taskId)).outcome.case]).toEqual([taskId, 'succeeded']);
    // What was removed has made room.
    disk?.fill();
  }
  const { tar, sha256 } = await tarOf(300_000);
  worker.orchestrator.artifacts.set(sha256, tar);
  ensure('new', 'start-new', {
    spec: create(BotSpecSchema, {
      source: { case: 'simple', value: { artifactSha256: sha256, entrypoint: 'bot.py' } },
    }),
  });
  await eventually(
    'the start says what it waits for',
    () => session.heard.map(({ body }) => (body.case === 'progress' ? body.value.message : '')),
    (messages) => messages.some((message) => message.includes('the disk of the worker is full')),
  );
  worker.runtime.print(runs?.id ?? '', 'printed on a full disk');
  expect(worker.runtime.done.filter((what) => what.startsWith('start restarts'))).toHaveLength(2);
  expect(runs?.status).toBe('running');
  expect(containerOf('goes')).toBeUndefined();
  expect(log.lines.slice(said).filter((line) => !line.startsWith('debug')).length).toBeLessThan(8);
  disk?.empty();
  expect((await resultOf(session, 'start-new')).outcome.case).toBe('succeeded');
  await eventually(
    'what was printed meanwhile is in the log',
    () => logOf(worker, session, 'runs'),
    (texts) => texts.includes('printed on a full disk'),
  );
  // And what is missing is said where it is missing.
  expect(await logOf(worker, session, 'stops')).toContainEqual(expect.stringContaining('output is missing here'));
}, 60_000);

async function logOf({ orchestrator }: WorkerForTests, session: HeardSession, botId: string): Promise<string[]> {
  const n = orchestrator.tails.length;
  const value = { tailId: `tail-${n}`, ...echo, botId, lines: 100 };
  session.send({ case: 'openTail', value: create(OpenTailSchema, value) });
  const tail = await orchestrator.tail(n);
  await eventually('the tail ends', () => tail.over, Boolean);
  return tail.heard.flatMap(({ entries }) => entries.map(({ text }) => text));
}

const resultOf = (session: HeardSession, taskId: string): Promise<TaskResult> =>
  eventually(
    `task ${taskId} ends`,
    () => session.heard.flatMap(({ body }) => (body.case === 'result' ? [body.value] : [])),
    (results) => results.some((result) => result.taskId === taskId),
    { timeoutMs: 15_000 },
  ).then((results) => {
    const found = results.find((result) => result.taskId === taskId);
    if (found === undefined) throw new Error('it was there');
    return found;
  });
