/**
 * Proves on this worker's engine what `docs/SECURITY.md` promises: tries to reach from a container like a bot's what no bot may
 * reach. Run it with the worker's own settings, beside the worker. Ends with 0 when all holds, with 1 when something does
 * not or cannot be tried.
 *
 *     npm run doctor
 *     docker compose exec bot-runner-worker node worker/doctor.ts
 */
import { join } from 'node:path';
import { systemClock } from '#common/clock.ts';
import { ConfigError } from '#common/env-config.ts';
import { silentLogger } from '#common/log.ts';
import { ProblemError } from '#common/problem.ts';
import { readWorkerConfig, type WorkerConfig } from './config.ts';
import { defaultDockerHost } from './runtime/docker/docker-host.ts';
import { createFindAddresses } from './runtime/docker/egress/addresses.ts';
import { placeOfUrl } from './runtime/docker/egress/places.ts';
import { botApi, type Probe, proveEgress } from './runtime/docker/egress/prove.ts';
import { createEngineClient } from './runtime/docker/engine-client.ts';
import { createBotNetworks } from './runtime/docker/network.ts';
import { readFileIfAny } from './state/atomic-file.ts';

const limitMs = 180_000;

/** What is wrong before anything can be tried; the probes otherwise. */
async function examine(config: WorkerConfig, signal: AbortSignal): Promise<readonly Probe[] | string> {
  if (config.runtime === 'process')
    return 'RUNTIME=process isolates nothing: there is nothing to prove. Set RUNTIME=docker.';
  const kept = (await readFileIfAny(join(config.dir, 'worker-id')))?.toString().trim();
  const workerId = config.workerId ?? kept;
  if (kept === undefined || workerId === undefined) {
    return `No worker has run with this DATA_DIR (${config.dir}): start it first, with the same settings.`;
  }
  const engine = createEngineClient(config.dockerHost ?? defaultDockerHost);
  const networkOptions = { base: config.dockerNetwork, workerId, subnets: config.botSubnets };
  const deps = {
    engine,
    networks: createBotNetworks(engine, networkOptions, silentLogger),
    workerId,
    baseImages: { python: config.baseImage, node: config.nodeBaseImage },
    findAddresses: createFindAddresses(systemClock, silentLogger),
    reached: placeOfUrl(config.telegramApiBase) ?? botApi,
    orchestrators: config.orchestrators.flatMap(({ url }) => placeOfUrl(url) ?? []),
  };
  return proveEgress(deps, signal);
}

function report(probes: readonly Probe[], asJson: boolean): string {
  if (asJson) return probes.map((probe) => `${JSON.stringify(probe)}\n`).join('');
  const lines = probes.map(({ name, ok, message, hint }) => {
    const line = `${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(16)}${message}\n`;
    return hint === undefined ? line : `${line}${' '.repeat(22)}${hint}\n`;
  });
  const failed = probes.filter(({ ok }) => !ok).length;
  return `${lines.join('')}${probes.length - failed} as they should be, ${failed} not\n`;
}

async function main(): Promise<number> {
  const asJson = process.argv.includes('--json');
  try {
    const found = await examine(readWorkerConfig(process.env), AbortSignal.timeout(limitMs));
    if (typeof found === 'string') {
      process.stderr.write(`${found}\n`);
      return 1;
    }
    process.stdout.write(report(found, asJson));
    return found.every(({ ok }) => ok) ? 0 : 1;
  } catch (error) {
    if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
    else if (error instanceof ProblemError) {
      const { message, hint = '' } = error.problem;
      process.stderr.write(`${message}${hint === '' ? '' : `\n${hint}`}\n`);
    } else process.stderr.write(`It could not be tried: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

process.exitCode = await main();
