/** How much of each thing a user may have. Pure; the caller counts and inserts in one transaction. */
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { examples, purgeExample, stopExample } from '#common/request-examples.ts';
import type { BotRecord } from './records.ts';

/**
 * Whether a bot runs or may yet run: then it has a place in the quota and room on its worker. One that ended with exit code 0,
 * or that could never be started, is not started again until its user asks for it.
 */
export const mayRun = ({ desired, state }: Pick<BotRecord, 'desired' | 'state'>): boolean =>
  desired === 'running' && state !== 'exited' && state !== 'failed';

/**
 * Whether one more bot may run. `active` are the ids that count: those that may run, or are about to. A bot that is among
 * them already does not count twice.
 */
export function checkQuota(
  active: Pick<ReadonlyMap<string, unknown>, 'has' | 'size' | 'keys'>,
  botId: string,
  maxBots: number,
): Result<undefined> {
  if (active.has(botId) || active.size < maxBots) return ok(undefined);
  const names = [...active.keys()].sort();
  const [first] = names;
  return fail(
    problem('QUOTA_EXCEEDED', `You have ${active.size} of ${maxBots} bots.`, {
      details: { current_bots: active.size, max_bots: maxBots, active_bots: names },
      hint: first === undefined ? 'Ask the operator for a higher limit.' : `Stop one first, for example ${first}.`,
      ...(first === undefined ? {} : { example: stopExample(first) }),
    }),
  );
}

/**
 * Whether the user may have a bot of this name. `kept`: the ids of all that take space; `deletedWithData`: those of them that are deleted. One that
 * the user has already is not one more, so that nothing is taken from who has more than a limit that came later.
 */
export function checkKeptBots(
  kept: Pick<ReadonlyMap<string, unknown>, 'has' | 'size' | 'keys'>,
  deletedWithData: () => readonly string[],
  botId: string,
  maxBots: number,
): Result<undefined> {
  if (kept.has(botId) || kept.size < maxBots) return ok(undefined);
  const deleted = deletedWithData();
  const first = deleted[0] ?? [...kept.keys()].sort()[0];
  const those = deleted.length === 0 ? '' : `, ${deleted.length} of them deleted bots whose data is kept`;
  return fail(
    problem('QUOTA_EXCEEDED', `You keep ${kept.size} of ${maxBots} bots, running or not${those}.`, {
      details: {
        quota: 'kept_bots',
        used: kept.size,
        limit: maxBots,
        deleted_with_data: deleted.slice(0, namesMax),
      },
      ...(first === undefined
        ? { hint: 'Ask the operator for a higher limit.' }
        : {
            hint: `Delete one that you do not need any more, with its data (purge), for example ${first}.`,
            example: purgeExample(first),
          }),
    }),
  );
}

/** How many names an answer gives. */
const namesMax = 100;

/** Whether so many more bytes of sources may be stored for the user. `held`: what the user has, with what is being uploaded. */
export function checkSourceBytes(held: number, adding: number, limitBytes: number): Result<undefined> {
  if (held + adding <= limitBytes) return ok(undefined);
  return fail(
    problem(
      'QUOTA_EXCEEDED',
      `Your sources take ${inMb(held)} of ${inMb(limitBytes)} MB; this one needs ${inMb(adding)} MB more.`,
      {
        details: { quota: 'source_bytes', used: held, limit: limitBytes, needed: adding },
        hint: 'Delete a bot that you do not need any more, or leave large files out of its source.',
        example: examples.purge,
      },
    ),
  );
}

/** Whether one more job may be open. */
export function checkJobBytes(held: number, adding: number, limitBytes: number): Result<undefined> {
  if (held + adding <= limitBytes) return ok(undefined);
  return fail(
    problem('QUOTA_EXCEEDED', `Your open jobs take ${inMb(held)} of ${inMb(limitBytes)} MB.`, {
      details: { quota: 'job_bytes', used: held, limit: limitBytes, needed: adding },
      hint: 'Wait until some of them have ended.',
    }),
  );
}

const inMb = (bytes: number): string => (Math.ceil(bytes / 100_000) / 10).toString();
