/**
 * Gives what is in a bot's volumes to another user: a container runs chown, as root, without a network and with nothing mounted but
 * these volumes. The files are not rewritten, so that nothing in them can be lost.
 */

import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import type { Logger } from '#common/log.ts';
import { buildLabel } from '../../images/dockerfile.ts';
import type { ContainerPlan } from '../container-runtime.ts';
import { labelNames } from '../labels.ts';
import { number, record, text } from './answers.ts';
import { buildScope } from './build-scope.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal } from './engine-errors.ts';

/** Who owns the folder of a bot's data. */
export interface FolderOwner {
  readonly uid: number;
  readonly gid: number;
}

export interface HandOverDeps {
  readonly engine: EngineClient;
  readonly logger: Logger;
  /**
   * An image of the operator's whose chown is run instead of that of the bot's image, in which any program may be a stranger's.
   * Resolves to undefined when the engine has none: then nothing is run.
   */
  readonly ownImage?: ((signal: AbortSignal) => Promise<string | undefined>) | undefined;
}

/** A volume of the bot. */
export interface OwnVolume {
  readonly name: string;
  /** Where it is mounted meanwhile. */
  readonly at: string;
}

const removalMs = 30_000;
// As long as the caller has patience.
const waitMs = 3_600_000;

/** Without a chown in the image the files stay whose they are: the bot runs, and what it says of them is its own. */
export async function handOver(
  deps: HandOverDeps,
  plan: ContainerPlan,
  { uid, gid }: FolderOwner,
  volumes: readonly OwnVolume[],
  signal: AbortSignal,
): Promise<void> {
  const { engine, logger } = deps;
  const image = deps.ownImage === undefined ? plan.image : await deps.ownImage(signal);
  if (image === undefined) {
    logger.warn(
      { bot: plan.key },
      'the files of a bot keep their owner: the engine has no base image to change it with',
    );
    return;
  }
  const cmd = ['-hR', `${uid}:${gid}`, ...volumes.map(({ at }) => at)];
  await withHelper(deps, { plan, image, cmd, volumes }, signal, async (id) => {
    try {
      await engine.call({ method: 'POST', path: `/containers/${id}/start` }, signal);
      const ended = await engine.call(
        { method: 'POST', path: `/containers/${id}/wait`, slow: true, timeoutMs: waitMs },
        signal,
      );
      const code = number(record(ended)['StatusCode']);
      if (code !== 0)
        logger.warn({ bot: plan.key, code }, "the owner of the files in a bot's /data could not be changed");
    } catch (error) {
      if (!(error instanceof EngineRefusal)) throw error;
      logger.warn(
        { bot: plan.key, engine: error.text },
        'the image of a bot has no chown: files in /data keep their owner',
      );
    }
  });
}

/** Gives a folder itself, without what is in it, to its owner: no program is run. `id` is a created container that has it. */
export async function giveFolder(
  engine: EngineClient,
  id: string,
  folder: string,
  owner: FolderOwner,
  mode: number,
  signal: AbortSignal,
): Promise<void> {
  const tar = pack();
  tar.entry({ name: `${folder.slice(1)}/`, type: 'directory', mode, ...owner });
  tar.finalize();
  const upload = Readable.from([await buffer(Readable.from(tar))]);
  const path = `/containers/${id}/archive`;
  await buffer(await engine.stream({ method: 'PUT', path, query: { path: '/' }, upload }, signal));
}

/** The same for the volume of a container into whose root file system nothing can be copied. */
export const giveVolume = (
  deps: HandOverDeps,
  plan: ContainerPlan,
  owner: FolderOwner,
  volume: OwnVolume,
  mode: number,
  signal: AbortSignal,
): Promise<void> =>
  withHelper(deps, { plan, image: plan.image, cmd: [], volumes: [volume], writable: true }, signal, (id) =>
    giveFolder(deps.engine, id, volume.at, owner, mode, signal),
  );

interface Helper {
  readonly plan: ContainerPlan;
  readonly image: string;
  /** What chown is given. */
  readonly cmd: readonly string[];
  readonly volumes: readonly OwnVolume[];
  readonly writable?: boolean;
}

async function withHelper(
  { engine, logger }: HandOverDeps,
  { plan, image, cmd, volumes, writable = false }: Helper,
  signal: AbortSignal,
  work: (id: string) => Promise<void>,
): Promise<void> {
  const body = {
    Image: image,
    Entrypoint: ['chown'],
    Cmd: cmd,
    WorkingDir: '/',
    User: '0',
    // Found and removed like a step of a build, if this worker is killed meanwhile.
    // The image's own labels would make it look like a bot.
    Labels: { [buildLabel]: buildScope(plan.key, plan.workerId), [labelNames.marker]: '', [labelNames.workerId]: '' },
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      NetworkMode: 'none',
      CapDrop: ['ALL'],
      CapAdd: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER'],
      SecurityOpt: ['no-new-privileges:true'],
      ReadonlyRootfs: !writable,
      PidsLimit: 16,
      Memory: plan.memoryBytes,
      MemorySwap: plan.memoryBytes,
      Mounts: volumes.map(({ name, at }) => ({ Type: 'volume', Source: name, Target: at, ReadOnly: false })),
    },
  };
  const id = text(record(await engine.call({ method: 'POST', path: '/containers/create', body }, signal))['Id']);
  try {
    await work(id);
  } finally {
    const path = `/containers/${id}`;
    const limit = AbortSignal.timeout(removalMs);
    await engine
      .call({ method: 'DELETE', path, query: { force: true, v: true }, slow: true }, limit)
      .catch((error: unknown) =>
        logger.warn({ err: error }, 'a helper container is left until the next build of its bot'),
      );
  }
}
