/**
 * When a new version of a bot is given up for the previous one: it was watched after its start and ended with an error, and
 * the previous one ran. Pure. See docs/adr/0014-an-update-that-does-not-stay-up.md.
 */
import { type Problem, problem } from '#common/problem.ts';
import type { TaskSucceeded } from '#gen/botrunner/v1/worker_service_pb.js';
import { rowOf } from './actions.ts';
import type { BotRecord, JobRecord } from './records.ts';

const lineLengthMax = 300;

/** What the job fails with; the bot then goes back. Undefined when the new version stays, as it is. */
export function reasonToRollBack(job: JobRecord, bot: BotRecord, { lastLines }: TaskSucceeded): Problem | undefined {
  const { undo, observed } = bot;
  if (!rowOf(job.action).replaces || bot.state !== 'crash_loop') return undefined;
  if (undo === null || undo.desired !== 'running' || undo.specSealed === null || !undo.wasUp) return undefined;
  const outOfMemory = observed.oomKilled === true;
  const end = observed.exitCode === undefined ? 'an error' : `exit code ${observed.exitCode}`;
  const lines = lastLines.map(({ text }) => text);
  // What it printed before it was killed does not explain why.
  const last = outOfMemory ? undefined : lines.findLast((text) => text.trim() !== '')?.slice(0, lineLengthMax);
  const why = outOfMemory ? undefined : observed.diagnosis;
  return problem(
    'UPDATE_ROLLED_BACK',
    `${job.action === 'configure' ? 'With its new settings the bot' : 'The new version'} ${outOfMemory ? killed(observed.reason) : `ended with ${end}`} right after its start; ${job.action === 'configure' ? 'it was started again with the previous ones' : 'the previous one was started again'}.${why !== undefined ? ` Diagnosis: ${why}` : last === undefined ? '' : ` Its last line: ${last}`}`,
    {
      details: {
        bot_id: bot.botId,
        exit_code: observed.exitCode ?? null,
        last_lines: lines,
        diagnosis: observed.diagnosis ?? '',
        ...(outOfMemory ? { oom_killed: true } : {}),
      },
      ...(outOfMemory
        ? { hint: 'Give it more memory with --memory (REST: "resource_limits"), or make it use less.' }
        : job.action === 'configure'
          ? { hint: "Read the end of the bot's log, and try other settings." }
          : {}),
    },
  );
}

/** With the limit, if the worker says it: an older one does not. */
function killed(reason: string | undefined): string {
  const limit = /^killed because it exceeded its memory limit of (\d{1,9} MB)/.exec(reason ?? '')?.[1];
  return `was killed because it exceeded its memory limit${limit === undefined ? '' : ` of ${limit}`}`;
}
