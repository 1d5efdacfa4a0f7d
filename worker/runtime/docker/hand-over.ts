/**
 * Gives what is in a bot's /data to another user: a container of the bot's own image runs its chown, as root, without a
 * network and with nothing mounted but the data. The files are not rewritten, so that nothing in them can be lost.
 */

import { volumeName } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import { buildLabel, dataDir } from '../../images/dockerfile.ts';
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

const removalMs = 30_000;
// As long as the caller has patience.
const waitMs = 3_600_000;

/** Without a chown in the image the files stay whose they are: the bot runs, and what it says of them is its own. */
export async function handOver(
  { engine, logger }: { readonly engine: EngineClient; readonly logger: Logger },
  plan: ContainerPlan,
  { uid, gid }: FolderOwner,
  signal: AbortSignal,
): Promise<void> {
  const body = {
    Image: plan.image,
    Entrypoint: ['chown'],
    Cmd: ['-hR', `${uid}:${gid}`, dataDir],
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
      ReadonlyRootfs: true,
      PidsLimit: 16,
      Memory: plan.memoryBytes,
      MemorySwap: plan.memoryBytes,
      Mounts: [{ Type: 'volume', Source: volumeName(plan.key), Target: dataDir, ReadOnly: false }],
    },
  };
  const id = text(record(await engine.call({ method: 'POST', path: '/containers/create', body }, signal))['Id']);
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
