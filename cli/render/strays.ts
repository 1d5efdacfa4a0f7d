/** Containers that a worker has and does not own, and what became of them. Pure. */
import type { JsonObject } from '#common/json.ts';
import type { StrayContainer, StrayOutcome } from '#gen/botrunner/v1/worker_service_pb.js';
import { escapeControls } from './escape.ts';
import { renderTable } from './table.ts';

const shortIdLength = 12;

/** As `docker ps` shows it; ids of another form are shown whole. */
const shortId = (id: string): string => (/^[0-9a-f]{64}$/.test(id) ? id.slice(0, shortIdLength) : escapeControls(id));

export function renderStrays(worker: string, strays: readonly StrayContainer[]): string {
  if (strays.length === 0) return `${escapeControls(worker)} recognises all bot containers on its engine.`;
  const rows = strays.map(({ id, name, userId, botId, workerId, running }) => [
    shortId(id),
    running ? 'running' : 'ended',
    escapeControls(botId) || '-',
    escapeControls(userId) || '-',
    escapeControls(workerId) || '-',
    escapeControls(name),
  ]);
  return renderTable(['ID', 'STATE', 'BOT', 'USER', 'MADE BY', 'NAME'], rows);
}

export function renderOutcomes(
  outcomes: readonly StrayOutcome[],
  strays: readonly StrayContainer[],
  done: string,
): string {
  const nameOf = (id: string) => escapeControls(strays.find((stray) => stray.id === id)?.name ?? '');
  return outcomes
    .map(({ id, error }) => {
      const what = `${shortId(id)} ${nameOf(id)}`;
      return error === undefined ? `${what}: ${done}` : `${what}: not ${done}: ${escapeControls(error.message)}`;
    })
    .join('\n');
}

export const strayJson = ({ id, name, userId, botId, workerId, running }: StrayContainer): JsonObject => ({
  id,
  name,
  bot_id: botId === '' ? null : botId,
  user_id: userId === '' ? null : userId,
  made_by: workerId === '' ? null : workerId,
  status: running ? 'running' : 'ended',
});

export const strayOutcomeJson = ({ id, error }: StrayOutcome, done: string): JsonObject => ({
  id,
  status: error === undefined ? done : 'failed',
  ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
});
