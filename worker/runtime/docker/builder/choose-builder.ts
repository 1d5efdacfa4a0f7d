/**
 * Which builder builds: by BUILDER, or what can be had where that is not set. Unset:
 *
 * 1. Whether a builder can be made is a fact of the engine: one user's broken builder fails his builds, and nobody else's.
 * 2. Where none can be made the bots' engine builds, and it is tried again after a while.
 * 3. Once one was made, the bots' engine builds no more: whoever breaks builders must not get his builds to where all images are.
 */
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { ProblemError, refuse } from '#common/problem.ts';
import { orAbort } from '#common/waiting/abort.ts';
import type { BuildEngines } from '../build-engine.ts';
import type { EngineClient } from '../engine-client.ts';
import { hasImage } from '../images.ts';
import { proberId } from './builder-check.ts';
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
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ChosenBuilder extends BuildEngines {
  /** Which builds now, as far as it is known. */
  kind(): 'separate' | 'engine' | undefined;
}

/** How long the bots' engine builds before a separate builder is tried again. */
const tryAgainMs = 600_000;
const otherMs = 300_000;

export function createChosenBuilder(choice: BuilderChoice): ChosenBuilder {
  const { engine, setting, image, own, separate, host, clock, logger } = choice;
  let kind = setting;
  let said: string | undefined;
  let isProved = false;
  let tryAgainAtMs = Number.NEGATIVE_INFINITY;
  let trying: Promise<boolean> | undefined;
  const say = (words: string, level: 'info' | 'warn' = 'info') => {
    if (said === words) return;
    said = words;
    logger[level]({ builder: kind }, words);
  };
  const useSeparate = (): BuildEngines => {
    isProved = true;
    kind = 'separate';
    say("images are built in a builder of each user's own");
    return separate;
  };
  const canBeMadeForAnother = (): Promise<boolean> => {
    trying ??= separate
      .ready(proberId, AbortSignal.timeout(otherMs))
      .then(
        () => true,
        () => false, // why not is in the log, as it is for the user's
      )
      .finally(() => {
        trying = undefined;
      });
    return trying;
  };

  const find = async (userId: string, signal: AbortSignal): Promise<BuildEngines> => {
    if (host !== undefined && setting !== 'engine') {
      kind = 'separate';
      return host;
    }
    const isPodman = setting !== 'engine' && (await engine.kind(signal)) === 'podman';
    if (setting === 'separate' && isPodman) refusePodman();
    if (setting === 'separate') return separate;
    if (setting === 'engine' || isPodman) return own;
    if (!(await hasImage(engine, image, signal))) {
      kind = 'engine';
      say(`images are built by the engine that runs the bots; for a builder apart from it: docker pull ${image}`);
      return own;
    }
    if (isProved) return useSeparate();
    if (clock.monotonicMs() < tryAgainAtMs) return own;
    try {
      await separate.ready(userId, signal);
      return useSeparate();
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (await orAbort(signal, canBeMadeForAnother())) {
        useSeparate();
        throw error;
      }
      tryAgainAtMs = clock.monotonicMs() + tryAgainMs;
      kind = 'engine';
      say('images are built by the engine that runs the bots, because a separate builder could not be made', 'warn');
      return own;
    }
  };

  return {
    kind: () => kind,
    during: async (userId, signal, work) => (await find(userId, signal)).during(userId, signal, work),
  };
}

const refusePodman = (): never =>
  refuse('CONTAINER_ERROR', 'The worker is set to build separately, which Podman cannot do.', {
    hint: 'The operator can set BUILDER_HOST to a Docker engine for builds, or BUILDER=engine.',
  });
