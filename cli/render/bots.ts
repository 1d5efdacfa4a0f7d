/** Bots as people and scripts see them: words for their states, the table of `list`, the panel of `status`. Pure. */
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import type { Json, JsonObject } from '#common/json.ts';
import { isOverDiskReason } from '#common/over-disk.ts';
import { type Bot, BotState, DesiredState, type DiskUse } from '#gen/botrunner/v1/bot_pb.js';
import type { ListBotsResponse } from '#gen/botrunner/v1/bot_service_pb.js';
import { escapeControls } from './escape.ts';
import { protectionJson, protectionText } from './protection.ts';
import type { Style } from './style.ts';
import { renderFacts, renderTable } from './table.ts';

/** The state's word in REST answers and on screen: running, crash_loop ... */
export function stateWord(state: BotState): string {
  // A newer orchestrator may send a number that this program does not know.
  return (BotState[state] ?? 'unspecified').toLowerCase();
}

/** Whether `status` ends with 0: nothing is wrong with the bot as far as is known. */
export function isHealthy({ state, reason }: Pick<Bot, 'state' | 'reason'>): boolean {
  switch (state) {
    case BotState.PENDING:
    case BotState.BUILDING:
    case BotState.PULLING:
    case BotState.STARTING:
    case BotState.RUNNING:
    case BotState.STOPPING:
    case BotState.STOPPED:
      return true;
    case BotState.EXITED:
      return !isOverDiskReason(reason);
    case BotState.CRASH_LOOP:
    case BotState.FAILED:
    case BotState.UNKNOWN:
    case BotState.LOST:
    case BotState.UNSPECIFIED:
      return false;
  }
  return false;
}

/** The state's marker on a terminal. */
export function marker(stateName: string): string {
  if (['running', 'started', 'updated', 'restarted', 'configured'].includes(stateName)) return '🟢';
  return stateName === 'crash_loop' || stateName === 'failed' ? '🔴' : '⚪';
}

export const markedState = (stateName: string, style: Style): string =>
  style.terminal ? `${marker(stateName)} ${stateName}` : stateName;

/** RFC 3339, UTC, whole seconds, or undefined when there is none. */
export const timeText = (time: Timestamp | undefined): string | undefined =>
  time === undefined
    ? undefined
    : timestampDate(time)
        .toISOString()
        .replace(/\.\d+Z$/, 'Z');

/** `Bots (1/3)` and the table, or one line when there are none. */
export function renderBots(answer: ListBotsResponse, style: Style): string {
  const quota = `${answer.count}/${answer.maxBots}`;
  if (answer.bots.length === 0) return `No bots. Limit: ${quota}`;
  const rows = answer.bots.map((bot) => [
    escapeControls(bot.botId),
    markedState(stateWord(bot.state), style),
    timeText(bot.startedAt) ?? '-',
    escapeControls(bot.workerId) || '-',
    escapeControls(bot.runtime) || '-',
    String(bot.restarts),
  ]);
  const table = renderTable(['BOT', 'STATE', 'STARTED', 'WORKER', 'RUNTIME', 'RESTARTS'], rows);
  return [`${style.bold(`Bots (${quota})`)}`, table, ...remarks(answer.bots)].join('\n');
}

/** The state of a running bot does not show what is wrong with it. */
const remarks = (bots: readonly Bot[]): readonly string[] =>
  bots
    .filter(({ state, reason }) => state === BotState.RUNNING && reason !== '')
    .map(({ botId, reason }) => `${escapeControls(botId)}: ${escapeControls(reason)}`);

/** Everything known of one bot. */
export function renderBot(bot: Bot, style: Style): string {
  const name = escapeControls(bot.botId);
  const state = stateWord(bot.state);
  const command = `avtomatika-bot logs ${name}`;
  const facts = renderFacts([
    ['State', state],
    ['Reason', escapeControls(bot.reason)],
    ['Diagnosis', escapeControls(bot.diagnosis)],
    ['Notice', escapeControls(bot.notice)],
    ['Next try', timeText(bot.nextTryAt)],
    ['Exit code', bot.exitCode === undefined ? undefined : `${bot.exitCode}${bot.oomKilled ? ' (out of memory)' : ''}`],
    ['Disk', diskText(bot.disk)],
    ['Protection', protectionText(bot.protection)],
    ['Restarts', String(bot.restarts)],
    ['Started', timeText(bot.startedAt)],
    ['Ended', timeText(bot.finishedAt)],
    ['Stops at', timeText(bot.stopsAt)],
    ['Container', escapeControls(bot.containerName)],
    ['Runtime', escapeControls(bot.runtime)],
    ['Worker', escapeControls(bot.workerId)],
    ['Pinned', escapeControls(bot.pinned)],
    ['Observed', timeText(bot.observedAt)],
    ['Logs', bot.state === BotState.RUNNING ? `${command} -f` : command],
  ]);
  return `${style.bold(style.terminal ? `${marker(state)} ${name}` : name)}\n${facts}`;
}

const mib = (bytes: bigint): number => Math.ceil(Number(bytes) / (1024 * 1024));

/** Of /data first, which is what users care for. */
const diskText = (disk: DiskUse | undefined): string | undefined =>
  disk &&
  `${mib(disk.dataBytes)} of ${mib(disk.dataLimitBytes)} MiB in /data, ` +
    `${mib(disk.layerBytes)} of ${mib(disk.layerLimitBytes)} MiB elsewhere`;

const diskJson = (disk: DiskUse | undefined): JsonObject | null =>
  disk === undefined
    ? null
    : {
        used_mb: mib(disk.dataBytes),
        limit_mb: mib(disk.dataLimitBytes),
        layer_mb: mib(disk.layerBytes),
        layer_limit_mb: mib(disk.layerLimitBytes),
      };

/** One bot in JSON, with the field names of REST; null where nothing is known. */
export function botJson(bot: Bot): JsonObject {
  const orNull = (text: string): Json => (text === '' ? null : text);
  return {
    bot_id: bot.botId,
    status: stateWord(bot.state),
    reason: orNull(bot.reason),
    diagnosis: orNull(bot.diagnosis),
    disk: diskJson(bot.disk),
    protection: protectionJson(bot.protection),
    notice: orNull(bot.notice),
    stops_at: exactTime(bot.stopsAt),
    desired: (DesiredState[bot.desired] ?? 'unspecified').toLowerCase(),
    container_id: orNull(bot.containerId),
    container_name: orNull(bot.containerName),
    started_at: exactTime(bot.startedAt),
    finished_at: exactTime(bot.finishedAt),
    worker_id: orNull(bot.workerId),
    runtime: orNull(bot.runtime),
    restarts: bot.restarts,
    exit_code: bot.exitCode ?? null,
    oom_killed: bot.oomKilled,
    next_try_at: exactTime(bot.nextTryAt),
    observed_at: exactTime(bot.observedAt),
    created_at: exactTime(bot.createdAt),
    mode: orNull(bot.mode),
    pinned: orNull(bot.pinned),
    generation: Number(bot.generation),
    revision: Number(bot.revision),
  };
}

/** RFC 3339 with milliseconds, or null. */
export const exactTime = (time: Timestamp | undefined): string | null =>
  time === undefined ? null : timestampDate(time).toISOString();
