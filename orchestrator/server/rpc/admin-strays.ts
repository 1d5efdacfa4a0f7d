/** The calls of AdminService about containers that are not their worker's: see proto/botrunner/v1/admin_service.proto. */
import type { ServiceImpl } from '@connectrpc/connect';
import { ProblemError, problem, refuse } from '#common/problem.ts';
import type { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import type { StrayContainer } from '#gen/botrunner/v1/worker_service_pb.js';
import type { Adoption } from '../../fleet/adoption.ts';
import type { Store } from '../../store/store.ts';
import type { Reading } from '../../store/tables.ts';
import { wantWorker } from '../../store/want.ts';
import { type CallDeps, call } from './call.ts';

export interface AdminStraysDeps extends CallDeps {
  readonly store: Store;
  readonly adoption: Adoption;
}

type StrayCalls = Pick<ServiceImpl<typeof AdminService>, 'listStrays' | 'adoptStrays'>;

const idsMax = 100;

/** Those to decide about on a worker: its former own, and those of workers that nobody knows. */
export function decidableStrays(
  { adoption }: Pick<AdminStraysDeps, 'adoption'>,
  { workers }: Pick<Reading, 'workers'>,
  workerId: string,
): readonly StrayContainer[] {
  const isKnown = (id: string) => workers.get(id) !== undefined && !workers.isForgotten(id);
  return adoption.straysOf(workerId).filter((stray) => stray.workerId === workerId || !isKnown(stray.workerId));
}

export function createAdminStrays(deps: AdminStraysDeps): StrayCalls {
  const { store, adoption, logger } = deps;
  /** Those to decide about on a worker that there is and that can be asked. */
  const find = (tx: Reading, workerId: string): readonly StrayContainer[] => {
    if (tx.workers.get(workerId) === undefined) refuse('WORKER_NOT_FOUND', 'There is no worker of that id.');
    adoption.assertAble(workerId);
    return decidableStrays(deps, tx, workerId);
  };
  return {
    listStrays: call(deps, 'admin', async ({ workerId }) => {
      const strays = await store.look([wantWorker(workerId)], (tx) => find(tx, workerId));
      return { strays: strays.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
    }),
    adoptStrays: call(deps, 'admin', async ({ workerId, take, remove }, _identity, context) => {
      await store.look([wantWorker(workerId)], (tx) => {
        const found = find(tx, workerId);
        checkIds(take, remove);
        const strays = new Map(found.map((stray) => [stray.id, stray]));
        for (const id of [...take, ...remove]) if (!strays.has(id)) throw notFound(workerId, id);
        for (const id of take) assertPlaced(tx, workerId, strays.get(id));
      });
      logger.warn({ workerId, take, remove }, 'an operator decides about containers that no worker owns');
      return { outcomes: [...(await adoption.decide(workerId, { take, remove }, context.signal))] };
    }),
  };
}

function checkIds(take: readonly string[], remove: readonly string[]): void {
  const ids = [...take, ...remove];
  if (ids.length === 0) {
    refuse('MISSING_REQUIRED_FIELD', 'No container is named.', { details: { fields: ['take', 'remove'] } });
  }
  if (new Set(ids).size < ids.length) {
    refuse('CONFLICTING_FIELDS', 'A container is named twice.', { details: { fields: ['take', 'remove'] } });
  }
  if (ids.length > idsMax) refuse('PAYLOAD_TOO_LARGE', `At most ${idsMax} containers can be named at once.`);
}

const notFound = (workerId: string, id: string): ProblemError =>
  new ProblemError(
    problem('CONTAINER_NOT_FOUND', `Worker ${workerId} has no unrecognised container ${id.slice(0, 64)}.`, {
      hint: `List them with: avtomatika-bot worker adopt ${workerId} --list`,
    }),
  );

/** A container whose bot is elsewhere, or gone, would be removed by its worker the moment it is its own. */
function assertPlaced(tx: Reading, workerId: string, stray: StrayContainer | undefined): void {
  if (stray === undefined) return;
  const bot = tx.bots.get(stray);
  if (bot?.workerId === workerId) return;
  const name = stray.name.slice(0, 100);
  const why =
    stray.botId === ''
      ? `Only a process is left of container ${name}.`
      : `The bot of container ${name} is not placed on ${workerId}.`;
  refuse('CONTAINER_NOT_OWNED', why, {
    hint: `It can only be removed: avtomatika-bot worker adopt ${workerId} --remove ${stray.id}`,
  });
}
