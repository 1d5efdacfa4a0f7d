/** What the worker reports to its operator in the log, each with the cure. */
import type { Logger } from '#common/log.ts';
import type { WorkerConfig } from './config.ts';
import type { EngineHealth } from './engine/engine-watch.ts';
import type { StateDir } from './state/state-dir.ts';

/** Call it when the engine has become ready or not ready. */
export function sayHealth(
  config: WorkerConfig,
  { ready, detail, cure: known, info }: EngineHealth,
  logger: Logger,
): void {
  if (ready) {
    logger.info(`the engine answers: ${info?.version ?? 'of unknown version'}`);
    return;
  }
  if (known !== undefined) {
    logger.warn(`${asSentence(detail)} ${known} No bot is started until then.`);
    return;
  }
  const cure =
    config.runtime === 'docker' ? '; start Docker, set DOCKER_HOST, or set RUNTIME=process to run without it' : '';
  logger.warn(`the container engine does not answer: ${detail}${cure}; no bot is started until it answers`);
}

const asSentence = (text: string): string =>
  text.charAt(0).toUpperCase() + text.slice(1) + (text.endsWith('.') ? '' : '.');

export function warnAboutSettings(config: WorkerConfig, state: StateDir, logger: Logger): void {
  const { previousWorkerId } = state;
  if (previousWorkerId !== undefined) {
    logger.warn(
      `this worker used to be ${previousWorkerId}; bots started under that id are not visible: set WORKER_ID=${previousWorkerId} to reach them`,
    );
  }
  for (const { url, tls, loopback } of config.orchestrators) {
    if (tls || loopback) continue;
    logger.warn(`${url} is cleartext: anyone on the path can read the worker token and the bots' secrets; use https`);
  }
}
