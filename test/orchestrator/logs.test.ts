/** StreamLogs through the door: what it refuses, and what it hands on to the worker. */
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import { eventually } from '../kit/eventually.ts';
import { clientToken, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { bearer } from '../kit/typed-calls.ts';

let orchestrator: TestOrchestrator;
let worker: ScriptedWorker;

beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
  worker = await connectScriptedWorker(orchestrator.address);
  await worker.take('welcome');
  const data = { action: 'start', bot_id: 'b', deployment_mode: 'simple', code: 'print(1)' };
  const { body } = await orchestrator.post(data);
  worker.succeed(await worker.take('ensure'));
  await eventually(
    'the bot runs',
    async () => (await orchestrator.get(`/jobs/${body.job_id}`)).body.status,
    (status) => status === 'completed',
  );
});
afterAll(async () => {
  worker?.close();
  await orchestrator?.[Symbol.asyncDispose]();
});

const bots = () =>
  createClient(
    BotService,
    createGrpcTransport({
      baseUrl: orchestrator.url,
      interceptors: [bearer(clientToken)],
    }),
  );
type Request = Parameters<ReturnType<typeof bots>['streamLogs']>[0];

async function refusalOf(request: Request): Promise<unknown[]> {
  try {
    for await (const _ of bots().streamLogs({ botId: 'b', ...request })) break;
    return ['not refused'];
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const [detail] = error.findDetails(ErrorDetailSchema);
    return [error.code, detail?.code, detail?.details?.['field']];
  }
}

const at = (seconds: number, nanos = 0) => ({ seconds: BigInt(seconds), nanos });

describe('StreamLogs', () => {
  it.each<[string, Request, string, string | undefined]>([
    ['too many lines', { lines: 10_001 }, 'INVALID_LINES', 'lines'],
    ['a negative number of lines', { lines: -1 }, 'INVALID_LINES', 'lines'],
    ['a time after the year 9999', { since: at(253_402_300_800) }, 'INVALID_TIME', 'since'],
    ['a time with bad nanoseconds', { until: at(1, 1_000_000_000) }, 'INVALID_TIME', 'until'],
    ['a time in the future', { sinceAgoMs: -1n }, 'INVALID_TIME', 'since_ago_ms'],
    ['an end before its beginning, in the past', { sinceAgoMs: 1n, untilAgoMs: 2n }, 'INVALID_TIME', 'since_ago_ms'],
    ['an end before its beginning', { since: at(2), until: at(1) }, 'INVALID_TIME', 'since'],
    ['a text that is too long', { grep: 'x'.repeat(257) }, 'INVALID_GREP', 'grep'],
    ['a text of two lines', { grep: 'a\nb' }, 'INVALID_GREP', 'grep'],
    ['a cursor that is too long', { afterCursor: 'x'.repeat(257) }, 'INVALID_CURSOR', undefined],
  ])('refuses %s', async (_what, request, code, field) => {
    expect(await refusalOf(request)).toEqual([Code.InvalidArgument, code, field]);
  });

  it('does not find the bot of nobody', async () => {
    expect((await refusalOf({ botId: 'nobody' }))[1]).toBe('BOT_NOT_FOUND');
  });

  it('hands on what is asked for, and the worker’s refusal of a cursor', async () => {
    const refused = refusalOf({ since: at(5), until: at(9, 7), grep: 'x', buildOnly: true, afterCursor: 'odd' });
    const open = await worker.take('openTail');
    expect(open).toMatchObject({ botId: 'b', follow: false, grep: 'x', buildOnly: true, afterCursor: 'odd' });
    expect([open.since, open.until]).toMatchObject([at(5), at(9, 7)]);
    expect(open.maxBytes).toBeGreaterThan(0);
    worker.tail([{ tailId: open.tailId, error: { code: 'INVALID_CURSOR', message: 'no', reason: 47 } }]);
    expect((await refused)[1]).toBe('INVALID_CURSOR');
  });

  it('hands on how long ago, for the clock of the worker, and the instant for workers that know no more', async () => {
    const answered = refusalOf({ sinceAgoMs: 60_000n, untilAgoMs: 30_000n, follow: true });
    const open = await worker.take('openTail');
    expect(open.follow).toBe(false);
    for (const [ago, least] of [
      [open.sinceAgoMs, 60_000],
      [open.untilAgoMs, 30_000],
    ] as const) {
      expect(Number(ago)).toBeGreaterThanOrEqual(least);
      expect(Number(ago)).toBeLessThan(least + 20_000);
    }
    expect([open.since, open.until]).toMatchObject([expect.anything(), expect.anything()]);
    const end = { cursor: `${'0'.repeat(16)}-0`, newestCursor: `${'0'.repeat(16)}-0` };
    worker.tail([{ tailId: open.tailId }, { end }]);
    expect(await answered).toEqual(['not refused']);
  });

  it('asks for all lines since a time when no number is given, else for 100', async () => {
    const end = { cursor: `${'0'.repeat(16)}-0`, newestCursor: `${'0'.repeat(16)}-0` };
    for (const [request, lines] of [
      [{ since: at(5) }, 0],
      [{}, 100],
      [{ since: at(5), lines: 7 }, 7],
      [{ sinceAgoMs: 5000n }, 0],
    ] as const) {
      const answered = refusalOf(request);
      const open = await worker.take('openTail');
      expect(open.lines).toBe(lines);
      worker.tail([{ tailId: open.tailId }, { end }]);
      expect(await answered).toEqual(['not refused']);
    }
  });
});
