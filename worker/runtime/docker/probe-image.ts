/** The image that the firewall is tried with, as one of the base images of bots: pulled once where the engine has neither. */
import { inBackground } from '#common/background.ts';
import { silentLogger } from '#common/log.ts';
import type { BaseImages } from '../../images/build-settings.ts';
import { hasImage } from './images.ts';
import { type PullDeps, pullImage } from './pull.ts';

/** Throws a plain Error while there is none: it is being pulled, or could not be. */
export type HaveProbeImage = (signal: AbortSignal) => Promise<void>;

const pullMs = 600_000;

export function createHaveProbeImage(pulling: PullDeps, { python, node }: BaseImages): HaveProbeImage {
  let failure: string | undefined;
  let isPulling = false;
  const pull = async () => {
    const wanted = { reference: python, userId: '', pull: false, onOutput: () => undefined };
    try {
      await pullImage({ ...pulling, logger: silentLogger }, wanted, AbortSignal.timeout(pullMs));
      failure = undefined;
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    } finally {
      isPulling = false;
    }
  };
  return async (signal) => {
    for (const image of [python, node]) if (await hasImage(pulling.engine, image, signal)) return;
    if (!isPulling) {
      isPulling = true;
      inBackground(pull(), () => undefined);
    }
    const last = failure === undefined ? '' : `; the last attempt failed: ${failure}`;
    throw new Error(`${python}, which it is tried with, is being pulled${last}`);
  };
}
