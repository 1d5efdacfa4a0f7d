/** Containers of bots that are on the engine and not this worker's. See ../strays.ts. */
import { claimedIdentity } from '../labels.ts';
import { noSuchStray, ownIdentity, type Stray } from '../strays.ts';
import { type ListedContainer, listMarked } from './container-list.ts';
import type { ContainerDeps } from './containers.ts';
import { hasStatus } from './engine-errors.ts';

const graceSeconds = 10;
const removalMs = 60_000;

/** As ContainerRuntime.strays. */
export async function listStrays(deps: ContainerDeps, signal: AbortSignal): Promise<readonly Stray[]> {
  const found = await listMarked(deps, signal);
  return found.flatMap((container) => strayOf(deps, container) ?? []);
}

function strayOf({ owner }: ContainerDeps, container: ListedContainer): Stray | undefined {
  const claimed = claimedIdentity(container.name, container.labels);
  if (claimed === undefined || ownIdentity(owner, container)) return undefined;
  const { id, name, running } = container;
  return { id, name, key: claimed.key, workerId: claimed.workerId, running };
}

async function find(deps: ContainerDeps, id: string, signal: AbortSignal): Promise<Stray> {
  const stray = (await listStrays(deps, signal)).find((one) => one.id === id);
  if (stray === undefined) throw noSuchStray(id);
  return stray;
}

/** As ContainerRuntime.takeStray. */
export async function takeStray(deps: ContainerDeps, id: string, signal: AbortSignal): Promise<void> {
  const { workerId } = await find(deps, id, signal);
  await deps.owner.taken.add(id, workerId);
}

/** As ContainerRuntime.removeStray. */
export async function removeStray(deps: ContainerDeps, id: string, signal: AbortSignal): Promise<void> {
  await find(deps, id, signal);
  const path = `/containers/${id}`;
  try {
    const stop = { method: 'POST', path: `${path}/stop`, query: { t: graceSeconds }, slow: true } as const;
    await deps.engine.call({ ...stop, timeoutMs: removalMs }, signal);
    await deps.engine.call({ method: 'DELETE', path, query: { force: true, v: true }, slow: true }, signal);
  } catch (error) {
    // Somebody else removes it.
    if (hasStatus(error, 404, 409)) return;
    throw error;
  }
}
