/** The worker program: reads its settings, runs until SIGTERM or SIGINT, ends cleanly. */

import { readBootId } from '#common/boot-id.ts';
import { systemClock } from '#common/clock.ts';
import { createLogger } from '#common/log.ts';
import { runProgram } from '#common/run-program.ts';
import { readWorkerConfig } from './config.ts';
import { serveHealth } from './health-socket.ts';
import { startWorker } from './program.ts';

await runProgram('worker', async () => {
  const config = readWorkerConfig(process.env);
  const logger = createLogger('worker', config.logLevel);
  const worker = await startWorker({ config, clock: { ...systemClock, bootId: readBootId() }, logger });
  if (config.healthSocket === undefined) return worker;
  const socket = await serveHealth(config.healthSocket, () => {
    const { ready, reason } = worker.health();
    return { connected: worker.connected(), complaint: worker.complaint(), engineReady: ready, reason };
  }).catch(async (error: unknown) => {
    await worker.stop();
    throw error;
  });
  return {
    async stop() {
      await socket.close();
      await worker.stop();
    },
  };
});
