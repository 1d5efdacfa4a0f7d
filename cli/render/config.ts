/** How a bot is configured, as people and scripts see it. Holds no value of a variable. Pure. */
import type { JsonObject } from '#common/json.ts';
import type { BotConfig, ResourceLimits } from '#gen/botrunner/v1/bot_pb.js';
import { sizeText } from '../text/size.ts';
import { exactTime, timeText } from './bots.ts';
import { escapeControls } from './escape.ts';
import { renderFacts, renderTable } from './table.ts';

/** The table of `env list`. */
export function renderEnv(botId: string, { env }: BotConfig): string {
  if (env.length === 0) return `${escapeControls(botId)} has no environment variables.`;
  const rows = env.map(({ name, setAt, jobId }) => [
    escapeControls(name),
    timeText(setAt) ?? 'unknown',
    escapeControls(jobId) || 'unknown',
  ]);
  return renderTable(['NAME', 'SET', 'BY JOB'], rows);
}

export const envJson = (botId: string, { env }: BotConfig): JsonObject => ({
  bot_id: botId,
  env: env.map(({ name, setAt, jobId }) => ({ name, set_at: exactTime(setAt), job_id: jobId === '' ? null : jobId })),
});

const ofWorker = "default (the worker's)";

/** The lines of `limits show`. */
export function renderLimits(botId: string, { limits }: BotConfig): string {
  const size = (bytes: bigint | undefined) => (bytes ? sizeText(Number(bytes)) : ofWorker);
  const facts = renderFacts([
    ['Memory', size(limits?.memoryBytes)],
    ['CPU', limits?.cpuMillis ? `${limits.cpuMillis / 1000} cores` : ofWorker],
    ['Disk', size(limits?.diskBytes)],
    ['Processes', limits?.pids ? String(limits.pids) : 'default (128)'],
    ['Stop grace', limits?.stopGraceMs ? `${limits.stopGraceMs / 1000} s` : 'default (10 s)'],
    ['Stop signal', limits?.stopSignal ? escapeControls(limits.stopSignal) : "default (the image's, else SIGTERM)"],
  ]);
  return `${escapeControls(botId)}\n${facts}`;
}

const mib = 1024 * 1024;

/** In the words of "resource_limits"; null: the default. */
const valuesOf = (limits: ResourceLimits | undefined): JsonObject => ({
  memory_mb: Number(limits?.memoryBytes ?? 0n) / mib || null,
  cpu_cores: (limits?.cpuMillis ?? 0) / 1000 || null,
  disk_mb: Number(limits?.diskBytes ?? 0n) / mib || null,
  pids: limits?.pids || null,
  stop_grace_seconds: (limits?.stopGraceMs ?? 0) / 1000 || null,
  stop_signal: limits?.stopSignal || null,
});

export const limitsJson = (botId: string, { limits }: BotConfig): JsonObject => ({
  bot_id: botId,
  resource_limits: valuesOf(limits),
});
