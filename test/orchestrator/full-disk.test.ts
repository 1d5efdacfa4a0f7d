/** What users can do, and what is still told of their bots, while the orchestrator's disk is full; and floods of one user beside another. */
import { join } from 'node:path';
import { createClient } from '@connectrpc/connect';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TokenScope } from '#gen/botrunner/v1/admin_service_pb.js';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { clientToken } from '../kit/orchestrator-for-tests.ts';
import { observed } from '../kit/scripted-worker.ts';
import { mountSmallDisk, type SmallDisk } from '../kit/small-disk.ts';
import {
  accepted,
  admin,
  begin,
  bot,
  connect,
  job,
  orchestrator,
  run,
  simple,
  transport,
  untilFinal,
  workers,
} from './played-workers.ts';

let disk: SmallDisk | undefined;
beforeEach(async ({ skip }) => {
  disk = mountSmallDisk(24);
  if (disk === undefined) return skip('no file system can be mounted here');
  const env = { MAX_BOTS_PER_USER: '100', DATA_DIR: join(disk.path, 'data') };
  await begin({ env });
});
afterEach(async () => {
  for (const worker of workers.splice(0)) worker.close();
  if (disk === undefined) return;
  await orchestrator[Symbol.asyncDispose]();
  disk[Symbol.dispose]();
});

it('lists, shows, stops and deletes, takes reports, refuses starts, loses nothing, and recovers without a restart', async () => {
  if (disk === undefined) return;
  const worker = await connect('w');
  const ensures = [await run(worker, 'a'), await run(worker, 'b')];
  disk.fill();
  await eventually(
    'starts are refused',
    () => orchestrator.post(simple('more')),
    ({ status }) => status === 503,
  );
  const refused = await orchestrator.post(simple('more', { code: `# ${'x'.repeat(200_000)}` }));
  expect(refused).toMatchObject({ status: 503, body: { error: { code: 'STORAGE_FULL' } } });
  expect(refused.body.error.hint).toContain('stopped');
  expect((await orchestrator.get('/health')).status).toBe(503);
  const answered: string[] = [];
  for (let n = 0; n < 60; n++) answered.push(await accepted({ action: n % 2 === 0 ? 'list' : 'status', bot_id: 'a' }));
  const [first] = ensures;
  if (first === undefined) throw new Error('it runs');
  worker.send({
    case: 'observations',
    value: { bots: [observed(first, { state: BotState.CRASH_LOOP, exitCode: 3 })] },
  });
  await eventually(
    'the report is stored',
    () => bot('a'),
    ({ status }) => status === 'crash_loop',
  );
  const stopped = await accepted({ action: 'stop', bot_id: 'a' });
  // A start that was taken at the last moment may come first.
  for (;;) {
    const ensure = await worker.take('ensure');
    worker.succeed(ensure);
    if (ensure.botId === 'a') break;
  }
  expect(await untilFinal(stopped)).toMatchObject({ status: 'completed' });
  const bots = createClient(BotService, transport(clientToken));
  const deleted = await bots.deleteBot({ botId: 'b' });
  answered.push(deleted.job?.jobId ?? '');
  const { bots: listed } = await bots.listBots({});
  expect(listed.map(({ botId }) => botId)).toContain('a');
  disk.empty();
  await eventually(
    'starts are taken again',
    () => orchestrator.post(simple('later')),
    ({ status }) => status === 202,
  );
  await eventually(
    'it is well',
    () => orchestrator.get('/health'),
    ({ status }) => status === 200,
  );
  for (const jobId of answered) expect((await job(jobId)).job_id ?? (await job(jobId)).id).toBe(jobId);
});

it('is filled by one user with sources, jobs and events up to that user’s limits, and another one’s start is taken', async () => {
  if (disk === undefined) return;
  await orchestrator.restart(undefined, {
    MAX_SOURCE_MB_PER_USER: '4',
    MAX_JOB_MB_PER_USER: '1',
    EVENTS_KEEP_MAX: '1000',
  });
  const { value: ann } = await admin().createToken({ userId: 'ann', name: 'laptop', scope: TokenScope.CLIENT });
  const as = { authorization: `Bearer ${ann}` };
  await connect('w');
  const codes = new Map<string, number>();
  const note = ({ status, body }: Awaited<ReturnType<typeof orchestrator.post>>) => {
    const code = status === 202 ? 'ok' : body.error.code;
    codes.set(code, (codes.get(code) ?? 0) + 1);
  };
  const flood = async (n: number) => {
    note(await orchestrator.post(simple(`b${n}`, { code: `# ${n} ${'x'.repeat(150_000)}` }), as));
    for (let jobs = 0; jobs < 6; jobs++) note(await orchestrator.post({ action: 'list' }, as));
  };
  await Promise.all(Array.from({ length: 30 }, (_, n) => flood(n)));
  expect([...codes.keys()].sort()).toEqual(['QUOTA_EXCEEDED', 'ok']);
  await accepted(simple('mine'));
  const usage = async (token: string) => (await orchestrator.get('/usage', token)).body;
  const anns = await eventually(
    'ann has no more than she may',
    () => usage(ann),
    ({ jobs }) => jobs.used_bytes <= jobs.limit_bytes,
  );
  expect(anns.sources.used_bytes).toBeLessThanOrEqual(4 * 1024 * 1024);
  expect((await usage(clientToken)).events.count).toBeGreaterThan(0);
}, 60_000);
