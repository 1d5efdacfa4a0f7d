/** A bot as REST and JSON events show it. Holds no secret. */
import type { JsonObject } from '#common/json.ts';
import type { ObservedDisk, ObservedProtection } from '../core/records.ts';
import { type BotView, lastEnd } from './bot-view.ts';
import { rfc3339OrNull } from './time.ts';

const mib = (bytes: number): number => Math.ceil(bytes / (1024 * 1024));

const diskToJson = (disk: ObservedDisk | undefined): JsonObject | null =>
  disk === undefined
    ? null
    : {
        used_mb: mib(disk.dataBytes),
        limit_mb: mib(disk.dataLimitBytes),
        layer_mb: mib(disk.layerBytes),
        layer_limit_mb: mib(disk.layerLimitBytes),
      };

const protectionToJson = (protection: ObservedProtection | undefined): JsonObject | null =>
  protection === undefined
    ? null
    : {
        read_only: protection.readOnly,
        runtime_class: protection.runtimeClass || null,
        user: protection.user || null,
        disk: protection.disk ?? null,
      };

export function botToJson(view: BotView): JsonObject {
  const { bot, state, runtime } = view;
  const { observed } = bot;
  const end = lastEnd(view);
  return {
    bot_id: bot.botId,
    status: state,
    desired: bot.desired,
    container_id: observed.containerId ?? null,
    container_name: observed.containerName ?? null,
    started_at: rfc3339OrNull(observed.startedAt),
    finished_at: rfc3339OrNull(end.finishedAt),
    worker_id: bot.workerId,
    runtime,
    restarts: observed.restarts ?? 0,
    exit_code: end.exitCode ?? null,
    oom_killed: end.oomKilled ?? false,
    next_try_at: rfc3339OrNull(observed.nextTryAt),
    reason: observed.reason ?? '',
    diagnosis: observed.diagnosis ?? '',
    disk: diskToJson(observed.disk),
    protection: protectionToJson(observed.protection),
    notice: bot.notice,
    stops_at: bot.desired === 'running' ? rfc3339OrNull(bot.stopsAt) : null,
    generation: bot.generation,
    observed_at: rfc3339OrNull(bot.observedAt),
  };
}
