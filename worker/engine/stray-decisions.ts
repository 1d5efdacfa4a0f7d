/**
 * Containers of bots that are on the engine and not this worker's: what is reported about them, and what an operator decides about
 * each. Nothing happens to one without such a decision.
 */
import { create, equals } from '@bufbuild/protobuf';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { ProblemError, problem } from '#common/problem.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { withTimeLimit } from '#common/waiting/time-limit.ts';
import {
  type AdoptStrays,
  type StrayOutcome,
  StrayOutcomeSchema,
  type Strays,
  type StraysAdopted,
  StraysAdoptedSchema,
  StraysSchema,
} from '#gen/botrunner/v1/worker_service_pb.js';
import { explainTransient, isTransient } from '../failures/transient.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import type { Stray } from '../runtime/strays.ts';

// As in Strays.containers.
const toldMax = 1000;
const idsMax = 100;
// More than the grace of a stop.
const decisionLimitMs = 60_000;

export interface StrayDecisionParts {
  readonly workerId: string;
  readonly runtime: Pick<ContainerRuntime, 'takeStray' | 'removeStray'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** They differ from those reported last. */
  onStrays(strays: Strays): void;
  onAdopted(adopted: StraysAdopted): void;
  /** Looks at all containers again. */
  resync(): Promise<void>;
}

export class StrayDecisions {
  readonly #parts: StrayDecisionParts;
  #strays: Strays = create(StraysSchema);

  constructor(parts: StrayDecisionParts) {
    this.#parts = parts;
  }

  /** As listed last. */
  get strays(): Strays {
    return this.#strays;
  }

  /** They were listed. */
  seen(found: readonly Stray[]): void {
    const { workerId } = this.#parts;
    const strays = describeStrays(found, workerId);
    if (equals(StraysSchema, strays, this.#strays)) return;
    this.#strays = strays;
    this.#parts.onStrays(strays);
  }

  /** Does what an operator decided, one container after the other; the answer goes out when all is done. */
  async decide({ requestId, take, remove }: AdoptStrays): Promise<void> {
    const { runtime, logger, onAdopted, resync } = this.#parts;
    const outcomes: StrayOutcome[] = [];
    for (const id of take.slice(0, idsMax)) {
      logger.warn({ container: id }, 'an operator gave a container to this worker');
      outcomes.push(await this.#one(id, (signal) => runtime.takeStray(id, signal)));
    }
    for (const id of remove.slice(0, idsMax)) {
      logger.warn({ container: id }, "an operator removed a container that is not this worker's");
      outcomes.push(await this.#one(id, (signal) => runtime.removeStray(id, signal)));
    }
    await resync().catch((error: unknown) => logger.debug({ err: error }, 'the containers could not be listed'));
    onAdopted(create(StraysAdoptedSchema, { requestId, outcomes }));
  }

  async #one(id: string, work: (signal: AbortSignal) => Promise<void>): Promise<StrayOutcome> {
    try {
      await withTimeLimit(this.#parts.clock, 'the container', decisionLimitMs, undefined, work);
      return create(StrayOutcomeSchema, { id });
    } catch (error) {
      return create(StrayOutcomeSchema, { id, error: problemToProto(this.#problemOf(error)) });
    }
  }

  #problemOf(error: unknown) {
    if (error instanceof ProblemError) return error.problem;
    if (isTransient(error)) return problem('CONTAINER_ERROR', `Not done: ${explainTransient(error)}.`);
    this.#parts.logger.error({ err: error }, 'a decision about a container failed unexpectedly');
    return problem('INTERNAL', 'The worker failed unexpectedly.');
  }
}

/** Those that were this worker's own come first: its bots depend on them. Pure. */
function describeStrays(found: readonly Stray[], workerId: string): Strays {
  const order = (stray: Stray) => `${stray.workerId === workerId ? 0 : 1}${stray.name}`;
  const containers = found
    .toSorted((a, b) => (order(a) < order(b) ? -1 : 1))
    .slice(0, toldMax)
    .map(({ id, name, key, workerId: madeBy, running }) => ({
      $typeName: 'botrunner.v1.StrayContainer' as const,
      id,
      name,
      userId: key?.userId ?? '',
      botId: key?.botId ?? '',
      workerId: madeBy,
      running,
    }));
  return create(StraysSchema, { containers });
}
