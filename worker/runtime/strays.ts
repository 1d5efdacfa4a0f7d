/**
 * Containers of bots that are on the engine and are not this worker's: it lost its folder or key, or they are of a worker
 * that is no more. Only their labels say whose they are, and labels prove nothing: a stray is shown, and touched only when
 * an operator has named it.
 */

import type { BotKey } from '#common/ids.ts';
import { ProblemError, problem } from '#common/problem.ts';
import type { TakenContainers } from '../state/taken-containers.ts';
import {
  type ContainerIdentity,
  type ContainerLabels,
  claimedIdentity,
  type SigningKey,
  verifiedIdentity,
} from './labels.ts';

/** Whose containers are this worker's. */
export interface Owner {
  readonly workerId: string;
  readonly signingKey: SigningKey;
  readonly taken: TakenContainers;
}

/** What a container is to this worker: its own by signature, or by the operator's word. */
export function ownIdentity(
  { workerId, signingKey, taken }: Owner,
  container: { readonly id: string; readonly name: string; readonly labels: ContainerLabels },
): ContainerIdentity | undefined {
  const { id, name, labels } = container;
  return (
    verifiedIdentity(signingKey, name, workerId, labels) ?? (taken.has(id) ? claimedIdentity(name, labels) : undefined)
  );
}

export const noSuchStray = (id: string): ProblemError =>
  new ProblemError(problem('CONTAINER_NOT_FOUND', `The worker has no unrecognised container ${id.slice(0, 64)}.`));

export interface Stray {
  /** The engine's id. */
  readonly id: string;
  readonly name: string;
  /** As its labels say; undefined when nothing but its name is left. */
  readonly key: BotKey | undefined;
  /** As its labels say: the worker that made it. Empty when that is not known. */
  readonly workerId: string;
  readonly running: boolean;
}

/** For a runtime whose worker has no folder. */
export const noneTaken = (workerId: string): TakenContainers => ({
  has: () => false,
  add: async () => undefined,
  workerIds: [workerId],
});
