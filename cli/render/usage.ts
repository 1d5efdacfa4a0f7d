/** What a user has, as people and scripts see it. Pure. */
import type { JsonObject } from '#common/json.ts';
import type { UserUsage } from '#gen/botrunner/v1/admin_service_pb.js';
import type { Usage } from '#gen/botrunner/v1/usage_pb.js';
import { sizeText } from '../text/size.ts';
import { escapeControls } from './escape.ts';
import { renderFacts, renderTable } from './table.ts';

const size = (bytes: bigint): string => sizeText(Number(bytes));
const held = (usage: Usage): bigint => usage.sourceBytes + usage.uploadBytes;

/** The lines of `usage`. */
export const renderUsage = (usage: Usage): string =>
  renderFacts([
    ['Bots', `${usage.bots} of ${usage.botsMax} running, ${usage.keptBots} in all`],
    ['Sources', `${size(held(usage))} of ${size(usage.sourceBytesMax)}`],
    ['Jobs', `${size(usage.jobBytes)} of ${size(usage.jobBytesMax)}, ${usage.endedJobs} ended`],
    ['Events', `${size(usage.eventBytes)}, ${usage.events} kept`],
  ]);

/** The table of `usage --all`. */
export const renderUsages = (users: readonly UserUsage[]): string =>
  users.length === 0
    ? 'No users.'
    : renderTable(
        ['USER', 'BOTS', 'SOURCES', 'JOBS', 'EVENTS'],
        users.flatMap(({ userId, usage }) =>
          usage === undefined
            ? []
            : [
                [
                  escapeControls(userId),
                  `${usage.bots}/${usage.botsMax}`,
                  `${size(held(usage))}/${size(usage.sourceBytesMax)}`,
                  `${size(usage.jobBytes)}/${size(usage.jobBytesMax)}`,
                  size(usage.eventBytes),
                ],
              ],
        ),
      );

/** With the names of GET /usage. */
export const usageJson = (usage: Usage): JsonObject => ({
  bots: { count: usage.bots, limit: usage.botsMax, kept: usage.keptBots },
  sources: {
    count: Number(usage.sources),
    used_bytes: Number(usage.sourceBytes),
    upload_bytes: Number(usage.uploadBytes),
    limit_bytes: Number(usage.sourceBytesMax),
  },
  jobs: {
    count: Number(usage.endedJobs),
    used_bytes: Number(usage.jobBytes),
    limit_bytes: Number(usage.jobBytesMax),
  },
  events: { count: Number(usage.events), used_bytes: Number(usage.eventBytes) },
});
