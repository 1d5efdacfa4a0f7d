/**
 * A container that does nothing but run with the volume of the file systems: an engine removes what no container uses when it is asked to
 * prune volumes, and containers that do not run when it is asked to prune those. It has no rights, no network, and cannot write.
 */
import type { Logger } from '#common/log.ts';
import { record, text } from '../answers.ts';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal, hasStatus } from '../engine-errors.ts';
import { storeVolume } from './sized-names.ts';
import type { ToolsImage } from './tools-image.ts';

export interface StoreKeeper {
  /** Sees to it that it runs. Never fails for a refusal: the volume is in use all the same while bots' devices are made. */
  ensure(tools: ToolsImage, signal: AbortSignal): Promise<void>;
  /** The engine was away. */
  forget(): void;
}

const keeperName = `${storeVolume}_keeper`;

export function createStoreKeeper(engine: EngineClient, logger: Logger): StoreKeeper {
  let seen = false;
  return {
    async ensure(tools, signal) {
      if (seen) return;
      try {
        await keep(engine, tools, signal);
        seen = true;
      } catch (error) {
        if (!(error instanceof EngineRefusal)) throw error;
        logger.warn({ engine: error.text }, `nothing keeps the volume ${storeVolume} from being pruned`);
      }
    },
    forget() {
      seen = false;
    },
  };
}

async function keep(engine: EngineClient, tools: ToolsImage, signal: AbortSignal): Promise<void> {
  const path = `/containers/${keeperName}`;
  const there = await engine.call({ method: 'GET', path: `${path}/json` }, signal).catch((error: unknown) => {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  });
  // One of an earlier release of the worker would keep the image of that.
  const isOlder = there !== undefined && text(record(record(there)['Config'])['Image']) !== tools.image;
  if (isOlder) await engine.call({ method: 'DELETE', path, query: { force: true }, slow: true }, signal);
  if (there === undefined || isOlder) {
    try {
      const call = {
        method: 'POST',
        path: '/containers/create',
        query: { name: keeperName },
        body: body(tools),
      } as const;
      await engine.call(call, signal);
    } catch (error) {
      // Another worker on this engine was quicker.
      if (!hasStatus(error, 409)) throw error;
    }
  }
  await engine.call({ method: 'POST', path: `${path}/start` }, signal);
}

const body = ({ image, shell, env }: ToolsImage) => ({
  Image: image,
  Entrypoint: [shell],
  Cmd: ['-c', 'exec sleep infinity'],
  User: '65534:65534',
  WorkingDir: '/',
  Env: env,
  // It has nothing to put in order.
  StopSignal: 'SIGKILL',
  Healthcheck: { Test: ['NONE'] },
  Labels: { 'bot_runner.keeps': storeVolume },
  HostConfig: {
    Mounts: [
      { Type: 'volume', Source: storeVolume, Target: '/disks', ReadOnly: true, VolumeOptions: { NoCopy: true } },
    ],
    NetworkMode: 'none',
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges:true'],
    ReadonlyRootfs: true,
    PidsLimit: 8,
    Memory: 32 * 1024 * 1024,
    LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '1' } },
    RestartPolicy: { Name: 'always' },
  },
});
