/** What a user has, as JSON and as a protobuf message. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { JsonObject } from '#common/json.ts';
import type { UsageSchema } from '#gen/botrunner/v1/usage_pb.js';
import type { Usage } from '../core/user-limits.ts';

/** How many names are given: usage is a small answer. */
const namesMax = 100;

export const usageToJson = (usage: Usage): JsonObject => ({
  bots: {
    count: usage.bots,
    limit: usage.limits.bots,
    kept: usage.keptBots,
    kept_limit: usage.limits.keptBots,
    deleted_with_data: usage.deletedWithData.length,
    deleted_names: usage.deletedWithData.slice(0, namesMax),
  },
  sources: {
    count: usage.sources,
    used_bytes: usage.sourceBytes,
    upload_bytes: usage.uploadBytes,
    limit_bytes: usage.limits.sourceBytes,
  },
  jobs: { count: usage.endedJobs, used_bytes: usage.jobBytes, limit_bytes: usage.limits.jobBytes },
  events: { count: usage.events, used_bytes: usage.eventBytes },
});

export const usageToProto = (usage: Usage): MessageInitShape<typeof UsageSchema> => ({
  bots: usage.bots,
  botsMax: usage.limits.bots,
  keptBots: usage.keptBots,
  sources: BigInt(usage.sources),
  sourceBytes: BigInt(usage.sourceBytes),
  uploadBytes: BigInt(usage.uploadBytes),
  sourceBytesMax: BigInt(usage.limits.sourceBytes),
  endedJobs: BigInt(usage.endedJobs),
  jobBytes: BigInt(usage.jobBytes),
  jobBytesMax: BigInt(usage.limits.jobBytes),
  events: BigInt(usage.events),
  eventBytes: BigInt(usage.eventBytes),
  keptBotsMax: usage.limits.keptBots,
  deletedWithData: usage.deletedWithData.length,
  deletedNames: usage.deletedWithData.slice(0, namesMax),
});
