/** How a bot is configured, as JSON and as a message. Holds no value of a variable. */
import { create } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { JsonObject } from '#common/json.ts';
import { type BotConfig, BotConfigSchema, type BotSpec, type ResourceLimits } from '#gen/botrunner/v1/bot_pb.js';
import { rfc3339OrNull } from './time.ts';

const mib = 1024 * 1024;

/** Variables by name. */
const variablesOf = ({ env, envOrigins }: BotSpec) =>
  Object.keys(env)
    .sort()
    .map((name) => ({ name, origin: envOrigins[name] }));

export const configToProto = (spec: BotSpec): BotConfig =>
  create(BotConfigSchema, {
    env: variablesOf(spec).map(({ name, origin }) => ({
      name,
      jobId: origin?.jobId ?? '',
      ...(origin?.setAt === undefined ? {} : { setAt: origin.setAt }),
    })),
    limits: spec.limits ?? {},
    on: { ...spec.on },
    readOnly: spec.readOnly === true,
  });

/** Limits in the units of "resource_limits"; null: the default of its worker. */
const limitsToJson = (limits: ResourceLimits | undefined): JsonObject => ({
  memory_mb: Number(limits?.memoryBytes ?? 0) / mib || null,
  cpu_cores: (limits?.cpuMillis ?? 0) / 1000 || null,
  disk_mb: Number(limits?.diskBytes ?? 0) / mib || null,
  pids: limits?.pids || null,
  stop_grace_seconds: (limits?.stopGraceMs ?? 0) / 1000 || null,
  stop_signal: limits?.stopSignal || null,
});

export const configToJson = (botId: string, spec: BotSpec): JsonObject => ({
  bot_id: botId,
  env: variablesOf(spec).map(({ name, origin }) => ({
    name,
    set_at: rfc3339OrNull(origin?.setAt === undefined ? null : timestampMs(origin.setAt)),
    job_id: origin?.jobId ?? null,
  })),
  resource_limits: limitsToJson(spec.limits),
  on: { ...spec.on },
  read_only: spec.readOnly === true,
});
