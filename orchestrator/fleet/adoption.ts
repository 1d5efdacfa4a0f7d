/**
 * Containers that workers found on their engines and do not own, as far as the connected workers have reported, and the
 * way of an operator's decision to a worker and back.
 */

import { ulid } from 'ulid';
import { capabilities } from '#common/capabilities.ts';
import type { Clock } from '#common/clock.ts';
import { refuse } from '#common/problem.ts';
import { TimeLimitError, withTimeLimit } from '#common/waiting/time-limit.ts';
import type { StrayContainer, StrayOutcome, StraysAdopted } from '#gen/botrunner/v1/worker_service_pb.js';
import type { Fleet, SessionFacts } from './fleet.ts';

// The limit of Strays.containers; what a worker reports beyond it is ignored.
const straysMax = 1000;
const answerLimitMs = 90_000;

interface Pending {
  readonly workerId: string;
  readonly answer: (outcomes: readonly StrayOutcome[]) => void;
}

export interface AdoptionDecision {
  readonly take: readonly string[];
  readonly remove: readonly string[];
}

export class Adoption {
  readonly #fleet: Fleet;
  readonly #clock: Clock;
  /** By worker, with the session that reported them. */
  readonly #strays = new Map<string, { readonly sessionId: string; readonly found: readonly StrayContainer[] }>();
  readonly #pending = new Map<string, Pending>();

  constructor(fleet: Fleet, clock: Clock) {
    this.#fleet = fleet;
    this.#clock = clock;
  }

  /** What a worker has reported. */
  told({ workerId, sessionId }: SessionFacts, found: readonly StrayContainer[]): void {
    this.#strays.set(workerId, { sessionId, found: found.slice(0, straysMax) });
  }

  /** The session is over: they are reported again in the next one. */
  left({ workerId, sessionId }: SessionFacts): void {
    if (this.#strays.get(workerId)?.sessionId === sessionId) this.#strays.delete(workerId);
  }

  straysOf(workerId: string): readonly StrayContainer[] {
    return this.#strays.get(workerId)?.found ?? [];
  }

  /** The workers on whose engines there are containers that were made by that worker. */
  holdersOf(workerId: string): readonly string[] {
    const holders = [...this.#strays].filter(([, { found }]) => found.some((stray) => stray.workerId === workerId));
    return holders.map(([holder]) => holder).filter((holder) => holder !== workerId);
  }

  /** Refuses with UNAVAILABLE when the worker is not there, or is older than this. */
  assertAble(workerId: string): void {
    const session = this.#fleet.sessions().find((one) => one.workerId === workerId);
    if (session === undefined) refuse('UNAVAILABLE', `The worker ${workerId} is not connected.`);
    if (session.capabilities.includes(capabilities.adopt)) return;
    refuse('UNAVAILABLE', `The worker ${workerId} is older than this orchestrator and does not support that.`, {
      hint: 'Update the worker first.',
    });
  }

  /** Sends the decision to the worker and waits for what became of it. */
  async decide(
    workerId: string,
    { take, remove }: AdoptionDecision,
    signal: AbortSignal,
  ): Promise<readonly StrayOutcome[]> {
    this.assertAble(workerId);
    const requestId = ulid();
    try {
      const answered = new Promise<readonly StrayOutcome[]>((answer) => {
        this.#pending.set(requestId, { workerId, answer });
      });
      const value = { $typeName: 'botrunner.v1.AdoptStrays' as const, requestId, take: [...take], remove: [...remove] };
      if (!this.#fleet.send(workerId, { case: 'adopt', value })) {
        refuse('UNAVAILABLE', `The worker ${workerId} is not connected.`);
      }
      return await withTimeLimit(this.#clock, 'the decision', answerLimitMs, signal, () => answered);
    } catch (error) {
      if (!(error instanceof TimeLimitError)) throw error;
      return refuse('UNAVAILABLE', `The worker ${workerId} did not respond in time.`);
    } finally {
      this.#pending.delete(requestId);
    }
  }

  answered(workerId: string, { requestId, outcomes }: StraysAdopted): void {
    const pending = this.#pending.get(requestId);
    if (pending?.workerId === workerId) pending.answer(outcomes);
  }
}
