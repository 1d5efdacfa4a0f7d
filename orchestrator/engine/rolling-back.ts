/**
 * When a new version of a bot is given up for the former one: it was watched after its start and ended with an error, and
 * the former one ran. Pure. See docs/adr/0014-an-update-that-does-not-stay-up.md.
 */
import { type Problem, problem } from '#common/problem.ts';
import type { TaskSucceeded } from '#gen/botrunner/v1/worker_service_pb.js';
import type { BotRecord, JobRecord } from '../core/records.ts';

const replacing = ['start', 'update'];
const lineLengthMax = 300;

/** What the job fails with; the bot then goes back. Undefined when the new version stays, as it is. */
export function reasonToRollBack(job: JobRecord, bot: BotRecord, { lastLines }: TaskSucceeded): Problem | undefined {
  const { undo, observed } = bot;
  if (!replacing.includes(job.action) || bot.state !== 'crash_loop') return undefined;
  if (undo === null || undo.desired !== 'running' || undo.specSealed === null || !undo.wasUp) return undefined;
  const end = observed.exitCode === undefined ? 'an error' : `exit code ${observed.exitCode}`;
  const lines = lastLines.map(({ text }) => text);
  const last = observed.diagnosis ?? lines.findLast((text) => text.trim() !== '')?.slice(0, lineLengthMax);
  return problem(
    'UPDATE_ROLLED_BACK',
    `The new version ended with ${end} right after its start; the former one runs again.${last === undefined ? '' : ` It said: ${last}`}`,
    {
      details: {
        bot_id: bot.botId,
        exit_code: observed.exitCode ?? null,
        last_lines: lines,
        diagnosis: observed.diagnosis ?? '',
      },
    },
  );
}
