import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { LogEntrySchema, LogStream } from '#gen/botrunner/v1/log_pb.js';
import { BotObservationSchema, HeartbeatSchema, TaskResultSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { dialDelayMs, fencedDelayMs } from './backoff.ts';
import { Outbox } from './outbox.ts';

const result = (taskId: string) => create(TaskResultSchema, { taskId });
const observed = (botId: string, state: BotState) => create(BotObservationSchema, { userId: 'u', botId, state });
const line = (text: string) => create(LogEntrySchema, { text, stream: LogStream.BUILD });

function drain(outbox: Outbox) {
  const bodies = [];
  const source = { resultOf: result, observationOf: () => undefined };
  for (let next = outbox.next(source); next; next = outbox.next(source)) bodies.push(next.body);
  return bodies;
}

describe('the outbox', () => {
  it('sends what belongs to tasks in order, and the rest before', () => {
    const outbox = new Outbox();
    outbox.accepted('a');
    outbox.progress('a', BotState.BUILDING, 'building', [], 0);
    outbox.result('a');
    outbox.observed(observed('x', BotState.RUNNING));
    outbox.heartbeat(create(HeartbeatSchema, { ready: true }));
    expect(drain(outbox).map((body) => body.case)).toEqual([
      'heartbeat',
      'observations',
      'accepted',
      'progress',
      'result',
    ]);
  });

  it('keeps only the newest observation of a bot, and one heartbeat', () => {
    const outbox = new Outbox();
    for (const state of [BotState.BUILDING, BotState.STARTING, BotState.RUNNING]) outbox.observed(observed('x', state));
    outbox.observed(observed('y', BotState.STOPPED));
    outbox.heartbeat(create(HeartbeatSchema, { ready: false }));
    outbox.heartbeat(create(HeartbeatSchema, { ready: true }));
    expect(drain(outbox)).toMatchObject([
      { value: { ready: true } },
      { value: { bots: [{ botId: 'x', state: BotState.RUNNING }, { botId: 'y' }] } },
    ]);
  });

  it('drops build output beyond its bound, once marked, but never a result', () => {
    const outbox = new Outbox();
    for (let n = 0; n < 100; n += 1) {
      outbox.progress('a', BotState.BUILDING, '', [line('x'.repeat(50_000))], 0);
      outbox.result(`r${n}`);
    }
    const bodies = drain(outbox);
    const output = bodies.flatMap((body) => (body.case === 'progress' ? body.value.output : []));
    expect(output.filter(({ stream }) => stream === LogStream.BUILD).length).toBeLessThanOrEqual(21);
    expect(output.filter(({ stream }) => stream === LogStream.GAP)).toHaveLength(1);
    expect(bodies.filter((body) => body.case === 'result')).toHaveLength(100);
    // What was sent makes room again.
    outbox.progress('a', BotState.BUILDING, '', [line('y')], 0);
    expect(drain(outbox)).toMatchObject([{ value: { output: [{ text: 'y' }] } }]);
  });

  it('stays bounded when nothing is sent at all', () => {
    const outbox = new Outbox();
    for (let n = 0; n < 30_000; n += 1) outbox.progress('a', BotState.BUILDING, `${n}`, [], 0);
    expect(drain(outbox).length).toBeLessThanOrEqual(10_001);
  });

  it('leaves out a result that was acknowledged before its turn, and one that waits already', () => {
    const outbox = new Outbox();
    outbox.result('gone');
    outbox.result('a');
    outbox.result('a');
    const sent = [];
    const resultOf = (taskId: string) => (taskId === 'gone' ? undefined : result(taskId));
    const source = { resultOf, observationOf: () => undefined };
    for (let next = outbox.next(source); next; next = outbox.next(source)) sent.push(next.body.value);
    expect(sent).toMatchObject([{ taskId: 'a' }]);
  });
});

it('a result is followed by the present state of its bot, because it has the one at the end of the task', () => {
  const outbox = new Outbox();
  outbox.observed(observed('x', BotState.EXITED));
  outbox.result('a');
  outbox.result('of a bot that is gone');
  const source = {
    resultOf: (taskId: string) =>
      create(TaskResultSchema, { taskId, observation: observed(taskId === 'a' ? 'x' : 'gone', BotState.RUNNING) }),
    observationOf: ({ botId }: { botId: string }) => (botId === 'x' ? observed('x', BotState.EXITED) : undefined),
  };
  const sent = [];
  for (let next = outbox.next(source); next; next = outbox.next(source)) {
    const { body } = next;
    if (body.case === 'observations') sent.push(...body.value.bots.map(({ state }) => BotState[state]));
    else if (body.case === 'result') sent.push(body.value.taskId);
  }
  expect(sent).toEqual(['EXITED', 'a', 'EXITED', 'of a bot that is gone']);
});

describe('dialling again', () => {
  it('waits anywhere up to a bound that doubles from 100 ms to 8 s', () => {
    expect([0, 1, 2, 6, 7, 1000].map((failures) => dialDelayMs(failures, 0))).toEqual([
      100, 200, 400, 6400, 8000, 8000,
    ]);
    expect(dialDelayMs(9, 0.99999)).toBe(0);
    expect(fencedDelayMs(0)).toBe(8000);
  });
});
