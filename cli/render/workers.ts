/** Workers as people and scripts see them, and the steps of a drain. Pure. */

import type { JsonObject } from '#common/json.ts';
import { labelsText } from '#common/labels.ts';
import {
  DrainOutcome,
  type DrainWorkerResponse,
  type FreedBot,
  FreedBotOutcome,
  type Worker,
  WorkerState,
} from '#gen/botrunner/v1/admin_service_pb.js';
import type { Capacity } from '#gen/botrunner/v1/worker_service_pb.js';
import { exactTime, timeText } from './bots.ts';
import { escapeControls } from './escape.ts';
import { failedChecks, safetyJson } from './safety.ts';
import { renderTable } from './table.ts';

/** ready, not_ready, suspect or away. */
const stateWord = (state: WorkerState): string => (WorkerState[state] ?? 'unspecified').toLowerCase();

/** The state with what an operator decided beside it. */
function standing({ state, cordoned, revoked }: Worker): string {
  return [stateWord(state), ...(cordoned ? ['cordoned'] : []), ...(revoked ? ['revoked'] : [])].join(', ');
}

const mib = (bytes: bigint): number => Math.round(Number(bytes) / 1024 / 1024);

/** "512 of 4096 MiB". A REST worker does not report this. */
function memory({ runtime, reserved, capacity }: Worker): string {
  if (runtime === 'rest') return '-';
  return `${mib(reserved?.memoryBytes ?? 0n)} of ${mib(capacity?.memoryBytes ?? 0n)} MiB`;
}

/** Our own workers name the engine too, such as "podman 5.4.2"; with a bare number only the runtime is known. */
const runtimeText = ({ runtime, engineVersion }: Worker): string =>
  escapeControls(/^(?:\d|$)/.test(engineVersion) ? `${runtime} ${engineVersion}`.trim() : engineVersion) || '-';

/** The table of `worker list`; a reason has its own line under it. */
export function renderWorkers(workers: readonly Worker[]): string {
  if (workers.length === 0) return 'No workers yet. Start one with: npm run worker';
  const rows = workers.map((worker) => [
    escapeControls(worker.workerId),
    standing(worker),
    `${worker.runningBots}/${worker.bots}`,
    memory(worker),
    runtimeText(worker),
    escapeControls(worker.version) || '-',
    timeText(worker.lastSeenAt) ?? '-',
    escapeControls(labelsText(worker.labels)) || '-',
  ]);
  const table = renderTable(
    ['WORKER', 'STATE', 'RUNNING/BOTS', 'RESERVED', 'RUNTIME', 'VERSION', 'LAST SEEN', 'LABELS'],
    rows,
  );
  const reasons = workers
    .filter(({ reason }) => reason !== '')
    .map(({ workerId, reason }) => `${escapeControls(workerId)}: ${escapeControls(reason)}`);
  return [table, ...reasons, ...workers.flatMap(failedChecks)].join('\n');
}

const capacityJson = (capacity: Capacity | undefined): JsonObject => ({
  memory_bytes: Number(capacity?.memoryBytes ?? 0n),
  cpu_millis: capacity?.cpuMillis ?? 0,
});

export const workerJson = (worker: Worker): JsonObject => ({
  worker_id: worker.workerId,
  state: stateWord(worker.state),
  reason: worker.reason === '' ? null : worker.reason,
  cordoned: worker.cordoned,
  revoked: worker.revoked,
  runtime: worker.runtime,
  engine_version: worker.engineVersion,
  version: worker.version,
  capacity: capacityJson(worker.capacity),
  reserved: capacityJson(worker.reserved),
  labels: { ...worker.labels },
  capabilities: [...worker.capabilities],
  strays: worker.strays,
  bots: worker.bots,
  running_bots: worker.runningBots,
  pending: worker.pending,
  first_seen_at: exactTime(worker.firstSeenAt),
  last_seen_at: exactTime(worker.lastSeenAt),
  starts_refused: worker.startsRefused,
  safety: safetyJson(worker.safety),
});

/** moving, moved or stays. */
const outcomeWord = (outcome: DrainOutcome): string => (DrainOutcome[outcome] ?? 'unspecified').toLowerCase();

/** One line for a step of a drain. Bots of different users may have one name. */
export function renderDrainStep(step: DrainWorkerResponse): string {
  const bot = escapeControls(`${step.botId} of ${step.userId}`);
  const reason = escapeControls(step.reason);
  const because = reason === '' ? '' : `: ${reason}`;
  switch (step.outcome) {
    case DrainOutcome.MOVING:
      return `${bot} is being moved${because}`;
    case DrainOutcome.MOVED:
      return `${bot} is on ${escapeControls(step.workerId)}${because}`;
    default:
      return `${bot} stays${because}`;
  }
}

export const drainStepJson = (step: DrainWorkerResponse): JsonObject => ({
  user_id: step.userId,
  bot_id: step.botId,
  outcome: outcomeWord(step.outcome),
  worker_id: step.workerId === '' ? null : step.workerId,
  reason: step.reason === '' ? null : step.reason,
});

const freedWord = (outcome: FreedBotOutcome): string => (FreedBotOutcome[outcome] ?? 'unspecified').toLowerCase();

/** What became of the bots of a forgotten worker, a line each. */
export function renderForgotten(workerId: string, bots: readonly FreedBot[]): string {
  const lines = bots.map(({ userId, botId, outcome }) => {
    const bot = escapeControls(`${botId} of ${userId}`);
    switch (outcome) {
      case FreedBotOutcome.REMOVED:
        return `${bot} is removed`;
      case FreedBotOutcome.MOVED:
        return `${bot} is started on another worker`;
      default:
        return `${bot} is stopped, and can be started elsewhere`;
    }
  });
  return [`${escapeControls(workerId)} is forgotten.`, ...lines].join('\n');
}

export const freedBotsJson = (bots: readonly FreedBot[]): JsonObject[] =>
  bots.map(({ userId, botId, outcome }) => ({ user_id: userId, bot_id: botId, outcome: freedWord(outcome) }));
