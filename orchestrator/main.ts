/** The orchestrator program: reads its settings, runs until SIGTERM or SIGINT, ends cleanly. */

import { readBootId } from '#common/boot-id.ts';
import { systemClock } from '#common/clock.ts';
import { createLogger } from '#common/log.ts';
import { runProgram } from '#common/run-program.ts';
import { readOrchestratorConfig } from './config.ts';
import { startOrchestrator } from './program.ts';

await runProgram('orchestrator', async () => {
  const config = readOrchestratorConfig(process.env);
  const logger = createLogger('orchestrator', config.logLevel);
  return startOrchestrator({ config, clock: { ...systemClock, bootId: readBootId() }, logger });
});
