/** What a worker says protects others from a bot, as its user sees it. */
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { expect, it } from 'vitest';
import { DiskKind } from '#gen/botrunner/v1/bot_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { clientToken } from '../kit/orchestrator-for-tests.ts';
import { observed } from '../kit/scripted-worker.ts';
import { bearer } from '../kit/typed-calls.ts';
import { openJobBench, start } from './job-bench.ts';

const bench = openJobBench();
const { accepted, bot, connect, untilFinal } = bench;

it('is shown in REST, its lists and gRPC, and is null with a worker that does not say', async () => {
  const worker = await connect();
  const id = await accepted(start('bot'));
  const ensure = await worker.take('ensure');
  worker.succeed(ensure);
  await untilFinal(id);
  const client = createClient(
    BotService,
    createGrpcTransport({ baseUrl: bench.orchestrator.url, interceptors: [bearer(clientToken)] }),
  );
  const overGrpc = async () => (await client.getBot({ botId: 'bot' })).bot?.protection;
  expect(await bot('bot')).toMatchObject({ status: 'running', protection: null });
  expect(await overGrpc()).toBeUndefined();

  const shown = async (protection: NonNullable<Parameters<typeof observed>[1]>['protection'], disk: string | null) => {
    worker.send({ case: 'observations', value: { bots: [observed(ensure, { protection })] } });
    return eventually(
      `disk is ${disk}`,
      async () => (await bot('bot')).protection,
      (seen) => seen !== null && seen.disk === disk,
    );
  };
  const sandbox = { readOnly: true, runtimeClass: 'runsc', user: 'app' };
  const inJson = { read_only: true, runtime_class: 'runsc', user: 'app' };
  expect(await shown(sandbox, null)).toEqual({ ...inJson, disk: null });
  expect(await overGrpc()).toMatchObject({ ...sandbox, disk: DiskKind.UNSPECIFIED });
  for (const [kind, word] of [
    [DiskKind.SIZED, 'sized'],
    [DiskKind.WATCH, 'watch'],
    [DiskKind.OFF, 'off'],
  ] as const) {
    expect(await shown({ ...sandbox, disk: kind }, word)).toEqual({ ...inJson, disk: word });
    expect(await overGrpc()).toMatchObject({ ...sandbox, disk: kind });
  }
  const list = await bench.orchestrator.get(`/jobs/${await accepted({ action: 'list' })}`);
  expect(list.body.data.result.bots).toMatchObject([{ bot_id: 'bot', protection: { ...inJson, disk: 'off' } }]);
  // One that is newer than this orchestrator is not known, and an empty name is none.
  expect(await shown({ disk: 99 as DiskKind }, null)).toEqual({
    read_only: false,
    runtime_class: null,
    user: null,
    disk: null,
  });
});
