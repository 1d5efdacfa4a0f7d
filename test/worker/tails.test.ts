/** Log tails over real gRPC. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import type { TailLogsRequest } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { echo } from './kit/registry-for-tests.ts';
import { createWorkerForTests, type WorkerForTests } from './kit/worker-for-tests.ts';

let world: WorkerForTests;
beforeEach(async () => {
  world = await createWorkerForTests();
});
afterEach(() => world.close());

describe('a log tail', () => {
  const openTail = (extra: object = {}) => ({
    case: 'openTail' as const,
    value: {
      $typeName: 'botrunner.v1.OpenTail' as const,
      tailId: 'tail-1',
      ...echo,
      lines: 10,
      follow: false,
      afterCursor: '',
      grep: '',
      buildOnly: false,
      maxBytes: 0,
      ...extra,
    },
  });
  const texts = (heard: readonly TailLogsRequest[]) => heard.flatMap(({ entries }) => entries.map(({ text }) => text));

  const running = async () => {
    await world.start();
    const session = await world.orchestrator.session(0);
    session.send({ case: 'ensure', value: world.ensure() });
    await session.hear('result');
    return session;
  };

  it('names itself first, gives the last lines and ends', async () => {
    const session = await running();
    world.runtime.print(world.runtime.only().id, 'hello canary-secret-value');
    await eventually(
      'the line is there',
      async () => {
        const n = world.orchestrator.tails.length;
        session.send(openTail({ lines: 1 }));
        const tail = await world.orchestrator.tail(n);
        await eventually('the tail ends', () => tail.over, Boolean);
        return tail.heard;
      },
      (heard) => heard[0]?.tailId === 'tail-1' && texts(heard).join() === 'hello [masked]',
    );
  });

  it('follows, and continues after a cursor without a line twice', async () => {
    const session = await running();
    const { id } = world.runtime.only();
    session.send(openTail({ follow: true }));
    const first = await world.orchestrator.tail(0);
    world.runtime.print(id, 'one');
    await eventually(
      'one is sent',
      () => texts(first.heard),
      (lines) => lines.includes('one'),
    );
    first.end();
    await eventually('the tail ends', () => first.over, Boolean);
    world.runtime.print(id, 'two');
    const cursor = first.heard.flatMap(({ entries }) => entries).at(-1)?.cursor ?? '';
    session.send(openTail({ follow: true, afterCursor: cursor }));
    const second = await world.orchestrator.tail(1);
    world.runtime.print(id, 'three');
    await eventually(
      'three is sent',
      () => texts(second.heard),
      (lines) => lines.includes('three'),
    );
    expect(texts(second.heard)).toEqual(['two', 'three']);
  });

  it('ends with an error for a bot that is not here, and for a cursor of nobody', async () => {
    const session = await running();
    session.send(openTail({ botId: 'nobody' }));
    const first = await world.orchestrator.tail(0);
    await eventually('it ends', () => first.over, Boolean);
    expect(first.heard.at(-1)?.error?.code).toBe('BOT_NOT_FOUND');
    session.send(openTail({ afterCursor: 'x' }));
    const second = await world.orchestrator.tail(1);
    await eventually('it ends', () => second.over, Boolean);
    expect(second.heard.at(-1)?.error?.code).toBe('INVALID_CURSOR');
  });

  it('that nobody reads holds up neither the bot nor heartbeats nor another tail', async () => {
    const session = await running();
    const { id } = world.runtime.only();
    world.orchestrator.tailsPaused = true;
    session.send(openTail({ follow: true }));
    const stalled = await world.orchestrator.tail(0);
    world.orchestrator.tailsPaused = false;
    for (let n = 0; n < 9000; n += 1) world.runtime.print(id, `${n} ${'x'.repeat(1000)}`);
    session.send(openTail({ follow: true }));
    const other = await world.orchestrator.tail(1);
    await eventually(
      'the other tail has everything',
      () => texts(other.heard).at(-1)?.slice(0, 5) ?? '',
      (last) => last.startsWith('8999'),
      { timeoutMs: 15_000 },
    );
    const beats = session.heard.filter(({ body }) => body.case === 'heartbeat').length;
    await session.hear('heartbeat', beats + 2);
    stalled.resume();
    await eventually(
      'the stalled tail catches up',
      () => texts(stalled.heard).filter((text) => /^\d/.test(text)).length,
      (count) => count === 9000,
      { timeoutMs: 15_000 },
    );
    expect(stalled.heard.flatMap(({ entries }) => entries).some(({ stream }) => stream === LogStream.GAP)).toBe(false);
  });
});
