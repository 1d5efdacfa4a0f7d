/** Which builder builds: by BUILDER, or what can be had where that is not set. */
import type { Logger } from '#common/log.ts';
import { ProblemError, refuse } from '#common/problem.ts';
import type { BuildEngines } from '../build-engine.ts';
import type { EngineClient } from '../engine-client.ts';
import { hasImage } from '../images.ts';
import type { SeparateBuilders } from './separate-builder.ts';

export interface BuilderChoice {
  readonly engine: EngineClient;
  /** Undefined: separate where the image of the builder is on the engine already. */
  readonly setting: 'separate' | 'engine' | undefined;
  readonly image: string;
  readonly own: BuildEngines;
  readonly separate: SeparateBuilders;
  /** The operator's engine for builds, if there is one. */
  readonly host: BuildEngines | undefined;
  readonly logger: Logger;
}

export function createChosenBuilder(choice: BuilderChoice): BuildEngines {
  const { engine, setting, image, own, separate, host, logger } = choice;
  let kind = setting;
  let said: string | undefined;
  let impossible = false;
  const say = (words: string) => {
    if (said === words) return;
    said = words;
    logger.info({ builder: kind }, words);
  };

  const find = async (userId: string, signal: AbortSignal): Promise<BuildEngines> => {
    if (host !== undefined && setting !== 'engine') {
      kind = 'separate';
      return host;
    }
    const isPodman = setting !== 'engine' && (await engine.kind(signal)) === 'podman';
    if (setting === 'separate' && isPodman) refusePodman();
    if (setting === 'separate') return separate;
    if (setting === 'engine' || isPodman || impossible) return own;
    if (!(await hasImage(engine, image, signal))) {
      kind = 'engine';
      say(`images are built by the engine that runs the bots; for a builder apart from it: docker pull ${image}`);
      return own;
    }
    try {
      await separate.ready(userId, signal);
      kind = 'separate';
      say("images are built in a builder of each user's own");
      return separate;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      // Not tried again by this process: every build would wait for it.
      impossible = true;
      kind = 'engine';
      say('images are built by the engine that runs the bots, because a separate builder could not be made');
      return own;
    }
  };

  return {
    during: async (userId, signal, work) => (await find(userId, signal)).during(userId, signal, work),
  };
}

const refusePodman = (): never =>
  refuse('CONTAINER_ERROR', 'The worker is set to build separately, which Podman cannot do.', {
    hint: 'The operator can set BUILDER_HOST to a Docker engine for builds, or BUILDER=engine.',
  });
