/** The worker program: reads its settings, runs until SIGTERM or SIGINT, ends in good order. */
import { systemClock } from '#common/clock.ts';
import { createLogger } from '#common/log.ts';
import { runProgram } from '#common/run-program.ts';
import { readWorkerConfig } from './config.ts';
import { startWorker } from './program.ts';

await runProgram('worker', async () => {
  const config = readWorkerConfig(process.env);
  const logger = createLogger('worker', config.logLevel);
  return startWorker({ config, clock: systemClock, logger });
});
