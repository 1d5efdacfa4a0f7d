/**
 * An image with the packages and the code of a version, made once the version stays up: its next containers are created of it, and nothing
 * has to be copied. It takes the place of the code on disk. Only where copying takes long: with Docker 20.10, and for much code.
 */
import type { BotKey } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import { Semaphore } from '#common/waiting/semaphore.ts';
import { buildLabel } from '../../images/dockerfile.ts';
import { labelNames } from '../labels.ts';
import { record, text } from './answers.ts';
import type { BuildLeftovers } from './build-leftovers.ts';
import { buildScope } from './build-scope.ts';
import { codeImageName } from './code-image-name.ts';
import type { CodeStore } from './code-store.ts';
import { ownerLabels } from './container-options.ts';
import { copyCode } from './copy-code.ts';
import { type EngineClient, startsItselfToCopy } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';

export interface CodeImageDeps {
  readonly engine: EngineClient;
  readonly code: CodeStore;
  readonly logger: Logger;
  readonly leftovers: BuildLeftovers;
  readonly workerId: string;
}

const stepMs = 30_000;
const commitMs = 60_000;
/** As much is copied in the time that a container takes to start. */
const muchBytes = 8 * 1024 * 1024;

export interface CodeImages {
  /** As ContainerRuntime.settleImage. */
  settle(key: BotKey, image: string, signal: AbortSignal): Promise<void>;
  /**
   * Makes it whatever the engine and the code are, for a container that nothing can be copied into. Podman copies into every container:
   * there it does nothing.
   */
  need(key: BotKey, image: string, signal: AbortSignal): Promise<void>;
}

/** Of all bots, one image is made at a time. */
export function createCodeImages(deps: CodeImageDeps): CodeImages {
  const turns = new Semaphore(1);
  const inTurn = async (key: BotKey, image: string, signal: AbortSignal): Promise<void> => {
    const release = await turns.acquire(signal);
    try {
      await make(deps, key, image, signal);
    } finally {
      release();
    }
  };
  return {
    async settle(key, image, signal) {
      const bytes = await deps.code.size(image);
      if (bytes === undefined || (await deps.engine.kind(signal)) !== 'docker') return;
      if (bytes < muchBytes && !(await startsItselfToCopy(deps.engine, signal))) return;
      await inTurn(key, image, signal);
    },
    async need(key, image, signal) {
      if ((await deps.engine.kind(signal)) !== 'docker' || (await deps.code.size(image)) === undefined) return;
      await inTurn(key, image, signal);
    },
  };
}

async function make(deps: CodeImageDeps, key: BotKey, image: string, signal: AbortSignal): Promise<void> {
  const { engine, code, leftovers, workerId } = deps;
  const scope = buildScope(key, workerId);
  const body = {
    Image: image,
    // Never started; the engine makes no container that could not be.
    Cmd: ['true'],
    // A step of a build to all that looks for what a killed worker has left, and no bot to anybody.
    Labels: { [buildLabel]: scope, [labelNames.marker]: '', [labelNames.workerId]: '' },
    HostConfig: { NetworkMode: 'none', ExtraHosts: [leftovers.markOf(scope)] },
  };
  signal.throwIfAborted();
  // Not aborted, as the commit is not: the engine would finish it all the same, and nobody would know of it.
  const id = await createStep(engine, body, AbortSignal.timeout(stepMs));
  if (id === undefined) return;
  try {
    await copyCode(deps, id, image, signal);
    const [repo = '', tag = ''] = codeImageName(image).split(':');
    const labels = { ...ownerLabels({ key, workerId }), [buildLabel]: scope };
    const query = { container: id, repo, tag, pause: false };
    signal.throwIfAborted();
    const commit = {
      method: 'POST',
      path: '/commit',
      query,
      body: { Labels: labels },
      slow: true,
      timeoutMs: commitMs,
    } as const;
    await engine.call(commit, AbortSignal.timeout(commitMs));
    await code.remove(image);
  } finally {
    await removeStep(deps, id);
  }
}

/** Undefined when the version has no image any more. */
async function createStep(engine: EngineClient, body: unknown, signal: AbortSignal): Promise<string | undefined> {
  try {
    return text(record(await engine.call({ method: 'POST', path: '/containers/create', body }, signal))['Id']);
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

async function removeStep({ engine, logger }: CodeImageDeps, id: string): Promise<void> {
  const call = { method: 'DELETE', path: `/containers/${id}`, query: { force: true, v: true }, slow: true } as const;
  try {
    await engine.call(call, AbortSignal.timeout(stepMs));
  } catch (error) {
    // 404, 409: a build of the bot took it for a leftover.
    if (!hasStatus(error, 404, 409)) logger.warn({ err: error }, 'a helper container is left until the next build');
  }
}
