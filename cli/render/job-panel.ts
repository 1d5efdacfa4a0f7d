/** A job as `job` and `cancel` show it. Pure. */
import type { JsonObject } from '#common/json.ts';
import { type Job, JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { hasEnded } from '../calls/wait-for-job.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { complaintOfDetail } from '../wire/refusals.ts';
import { exactTime, timeText } from './bots.ts';
import { complaintJson, renderComplaint } from './complaint.ts';
import { escapeControls } from './escape.ts';
import { type RenderedJob, resultOf, statusWord } from './job.ts';
import type { Style } from './style.ts';
import { renderFacts } from './table.ts';

/** Everything known of one job. */
export function renderJob(job: Job, style: Style, verbose: boolean): string {
  const bot = escapeControls(job.botId);
  const result = resultOf(job);
  const status = result['status'];
  const facts = renderFacts([
    ['Status', statusWord(job.status)],
    ['Result', typeof status === 'string' ? escapeControls(status) : undefined],
    ['Reason', escapeControls(job.reason)],
    ['Action', escapeControls(job.action)],
    ['State', escapeControls(job.state)],
    ['Accepted', timeText(job.createdAt)],
    ['Changed', timeText(job.updatedAt)],
    ['Deadline', hasEnded(job.status) ? undefined : timeText(job.deadlineAt)],
    ['Bot', bot === '' ? undefined : `avtomatika-bot status ${bot}`],
    ['Cancel', hasEnded(job.status) ? undefined : `avtomatika-bot cancel ${escapeControls(job.jobId)}`],
  ]);
  const head = style.bold(`Job ${escapeControls(job.jobId)}`);
  const error =
    job.error === undefined
      ? ''
      : renderComplaint({ ...complaintOfDetail(job.error), botId: job.botId }, style, verbose);
  return `${head}\n${facts}\n${error}`.trimEnd();
}

/** The job that CancelJob ended, or one that had ended before. */
export function renderCancelled(job: Job, style: Style): RenderedJob {
  const name = `Job ${escapeControls(job.jobId)}`;
  if (job.status === JobStatus.CANCELLED) {
    return { exitCode: exitCodes.done, text: `${style.terminal ? '⚪ ' : ''}${name} is cancelled.` };
  }
  const word = statusWord(job.status);
  return { exitCode: exitCodes.failed, text: `${name} ended before it could be cancelled: ${word}.` };
}

/** One job in JSON, with the field names of REST. */
export function jobJson(job: Job): JsonObject {
  const result: { readonly result?: JsonObject } = job.status === JobStatus.COMPLETED ? { result: resultOf(job) } : {};
  return {
    job_id: job.jobId,
    blueprint: job.blueprint,
    action: job.action,
    bot_id: job.botId,
    state: job.state,
    current_state: job.state,
    status: statusWord(job.status),
    reason: job.reason,
    data: job.error === undefined ? result : complaintJson({ ...complaintOfDetail(job.error), botId: job.botId }),
    // As in REST: the result once more.
    state_history: result.result ?? {},
    created_at: exactTime(job.createdAt),
    updated_at: exactTime(job.updatedAt),
    deadline_at: exactTime(job.deadlineAt),
  };
}
