/** Readers of streams that stop reading cost the orchestrator a bounded amount of memory, however much there is to send. */
import http2 from 'node:http2';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { clientToken } from '../kit/orchestrator-for-tests.ts';
import { startOrchestratorProgram } from '../kit/orchestrator-program.ts';

const readers = 60;
const stops = 1500;
const mib = 1024 * 1024;

it('watchers that read nothing do not hold what they miss', { timeout: 300_000 }, async () => {
  // A small heap, so that what is held is seen, and not how lazily garbage is collected.
  await using orchestrator = await startOrchestratorProgram({
    NODE_OPTIONS: '--max-semi-space-size=1 --max-old-space-size=80',
  });
  const start = { action: 'start', bot_id: 'b', deployment_mode: 'simple', code: `"""${'x'.repeat(100)}"""` };
  const act = async (data: object) => expect((await orchestrator.post(data)).status).toBe(202);
  const tell = async (times: number) => {
    for (let n = 0; n < times; n += 10) {
      await Promise.all(Array.from({ length: 10 }, () => act({ action: 'stop', bot_id: 'b' })));
    }
  };
  await act(start);
  // What any load costs: code that is compiled, caches of the store.
  await tell(stops);
  const before = orchestrator.rssBytes();
  const session = http2.connect(orchestrator.url);
  onTestFinished(() => session.destroy());
  let bytes = 0;
  for (let n = 0; n < readers; n += 1) {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/botrunner.v1.BotService/WatchBots',
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: `Bearer ${clientToken}`,
    });
    // With jobs, from the beginning: field 4, include_jobs.
    stream.end(Buffer.from([0, 0, 0, 0, 2, 0x20, 1]));
    stream.on('error', () => undefined); // it ends with the session
    // One message comes, so that all of them watch; from then on nothing is read.
    stream.once('data', (chunk: Buffer) => {
      bytes += chunk.length;
      stream.pause();
    });
  }
  await eventually(
    'all watch',
    () => bytes,
    (seen) => seen > readers,
  );
  await tell(stops);
  const grown = orchestrator.rssBytes() - before;
  console.info(`${readers} readers that stopped, ${stops} jobs: ${(grown / mib).toFixed(1)} MiB`);
  // Unbounded, each would hold about five events of some hundred bytes for every job: 200 MiB altogether.
  expect(grown).toBeLessThan(64 * mib);
});
