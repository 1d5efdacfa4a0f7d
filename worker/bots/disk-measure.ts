/** Takes what was measured of a bot's container into its memory. */
import { inBackground } from '#common/background.ts';
import type { DiskMeasure } from '../runtime/container-runtime.ts';
import type { BotContext } from './bot-context.ts';
import { type BotMemory, factsOf, runIdOf } from './bot-memory.ts';
import { judgeDisk, limitsOf } from './disk-use.ts';

/** False when it says nothing: of another container than the one that runs, or where nothing is limited. */
export function takeMeasure(memory: BotMemory, context: BotContext, measure: DiskMeasure): boolean {
  const facts = factsOf(memory);
  if (facts?.status !== 'running' || facts.id !== measure.containerId) return false;
  const { spec, record } = memory;
  const ofSpec = spec?.revision === facts.revision && spec.value.ok ? spec.value.value.disk : undefined;
  const limits = limitsOf(facts, ofSpec ?? (facts.disk === undefined ? context.defaults.disk : undefined));
  if (context.defaults.disk === undefined || limits === undefined) return false;
  const runId = runIdOf(facts);
  const judged = { measure, limits, isFromBefore: facts.disk === undefined };
  memory.disk = { ...judged, runId };
  const verdict = judgeDisk(judged);
  if (verdict.kind === 'warned' && memory.warnedOfDisk !== runId) {
    memory.warnedOfDisk = runId;
    inBackground(context.log.note(verdict.text), (error) =>
      context.logger.debug({ err: error, bot: memory.key }, 'a warning about disk space could not be written'),
    );
  }
  if (verdict.kind === 'exceeded' && record.overDisk?.runId !== runId) {
    const { reason, inLayer } = verdict;
    memory.record = { ...record, overDisk: { runId, reason, inLayer } };
    context.logger.warn({ bot: memory.key, measure }, 'a bot has written more than it may and is stopped');
  }
  return true;
}
