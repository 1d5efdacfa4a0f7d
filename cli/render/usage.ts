/** What a user has, as people and scripts see it. Pure. */
import type { JsonObject } from '#common/json.ts';
import type { UserUsage } from '#gen/botrunner/v1/admin_service_pb.js';
import type { Usage } from '#gen/botrunner/v1/usage_pb.js';
import { escapeControls } from './escape.ts';
import { renderFacts, renderTable } from './table.ts';

/** In the units of the limits, which are set in MiB. */
function size(bytes: bigint): string {
  if (bytes < 1024n) return `${bytes} B`;
  const [unit, value] = bytes < 1024n * 1024n ? ['KiB', Number(bytes) / 1024] : ['MiB', Number(bytes) / (1024 * 1024)];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}
const held = (usage: Usage): bigint => usage.sourceBytes + usage.uploadBytes;

const kept = (usage: Usage): number => usage.keptBots + usage.deletedWithData;
// An orchestrator of an earlier release has no such limit.
const keptOf = (usage: Usage): string =>
  usage.keptBotsMax === 0 ? `${kept(usage)}` : `${kept(usage)} of ${usage.keptBotsMax}`;

/** Which deleted bots count, and how they no longer do. */
function deletedText({ deletedNames, deletedWithData }: Usage): string {
  const shown = deletedNames.slice(0, namesShown).map(escapeControls).join(', ');
  const more = deletedWithData > namesShown ? `, and ${deletedWithData - namesShown} more` : '';
  return `data of deleted bots is kept: ${shown}${more} (delete NAME --purge removes it)`;
}

const namesShown = 5;

/** The lines of `usage`. */
export const renderUsage = (usage: Usage): string =>
  renderFacts([
    ['Bots', `${usage.bots} of ${usage.botsMax} running, ${keptOf(usage)} in all`],
    ...(usage.deletedNames.length === 0 ? [] : [['', deletedText(usage)] as const]),
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
  bots: {
    count: usage.bots,
    limit: usage.botsMax,
    kept: usage.keptBots,
    kept_limit: usage.keptBotsMax,
    deleted_with_data: usage.deletedWithData,
    deleted_names: usage.deletedNames,
  },
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
