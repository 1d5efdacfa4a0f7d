/** What became of a job, as people and scripts see it. Pure. */
import type { Json, JsonObject } from '#common/json.ts';
import { type Job, JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { type ExitCode, exitCodes } from '../failures/exit-codes.ts';
import { marker } from './bots.ts';
import { linesOf } from './complaint.ts';
import { escapeControls, plainOutput } from './escape.ts';
import type { Style } from './style.ts';
import { renderFacts } from './table.ts';

export interface RenderedJob {
  readonly exitCode: ExitCode;
  /** For stdout, without the last line end. */
  readonly text: string;
}

export const resultOf = (job: Job): JsonObject => (job.result ?? {}) as JsonObject; // a Struct is plain JSON
const textField = (value: Json | undefined): string | undefined =>
  typeof value === 'string' && value !== '' ? escapeControls(value) : undefined;

/** A completed start, update or restart, or one whose bot has already ended. */
export function renderStarted(job: Job, style: Style): RenderedJob {
  const result = resultOf(job);
  const bot = escapeControls(job.botId);
  const status = textField(result['status']) ?? 'started';
  const title = style.bold(`${style.terminal ? `${marker(status)} ` : ''}${titleOf(bot, status, result['exit_code'])}`);
  const stopped = status === 'exited' || status === 'crash_loop';
  const facts = renderFacts([
    ['Diagnosis', textField(result['diagnosis'])],
    ['Container', textField(result['container_name'])],
    ['Started', textField(result['started_at'])],
    ['Logs', stopped ? `avtomatika-bot logs ${bot}` : `avtomatika-bot logs ${bot} -f`],
    ['Status', `avtomatika-bot status ${bot}`],
    ['Stop', status === 'exited' ? undefined : `avtomatika-bot stop ${bot}`],
  ]);
  const lastLines = stopped ? (linesOf(result['last_lines']) ?? []) : [];
  const lines = [
    title,
    ...lastLines.map((line) => `  | ${plainOutput(line)}`),
    ...noticesOf(result),
    ...movedOf(result),
    ...warningsOf(result),
    facts,
  ];
  return { exitCode: status === 'crash_loop' ? exitCodes.unhealthy : exitCodes.done, text: lines.join('\n') };
}

/** A completed configure: the bot runs with it, or will, or has it already. */
export function renderConfigured(job: Job, style: Style): RenderedJob {
  const result = resultOf(job);
  const bot = escapeControls(job.botId);
  const mark = style.terminal ? '⚪ ' : '';
  switch (result['status']) {
    case 'unchanged':
      return { exitCode: exitCodes.done, text: `${mark}${bot} has all that already: it was not restarted.` };
    case 'stored': {
      const reason = textField(result['reason']) ?? `${bot} does not run: it gets this at its next restart`;
      return { exitCode: exitCodes.done, text: `${mark}${reason}.\n  Restart  avtomatika-bot restart ${bot}` };
    }
    default:
      return renderStarted(job, style);
  }
}

function titleOf(bot: string, status: string, exitCode: Json | undefined): string {
  const code = typeof exitCode === 'number' ? ` with exit code ${exitCode}` : '';
  switch (status) {
    case 'started':
      return `${bot} is running.`;
    case 'updated':
      return `${bot} was updated and is running.`;
    case 'configured':
      return `${bot} was started again with its new settings and is running.`;
    case 'restarted':
      return `${bot} was restarted and is running.`;
    case 'exited':
      return `${bot} ran and exited${code || ' with exit code 0'}. It will not be restarted.`;
    case 'crash_loop':
      return `${bot} started, but exited${code || ' with an error'}. It will be restarted after a pause.`;
    default:
      return `${bot}: ${status}`;
  }
}

/** A stop or removal that is decided, and carried out when the bot's worker is back; undefined for one that is done. */
function renderPending(job: Job, style: Style): RenderedJob | undefined {
  const result = resultOf(job);
  if (result['status'] !== 'pending_on_worker') return undefined;
  const reason = textField(result['reason']) ?? `${escapeControls(job.botId)} is waiting for its worker`;
  return { exitCode: exitCodes.done, text: `${style.terminal ? '⏳ ' : ''}${reason}.` };
}

export function renderStopped(job: Job, style: Style): RenderedJob {
  const pending = renderPending(job, style);
  if (pending !== undefined) return pending;
  const container = textField(resultOf(job)['container_name']);
  const bot = escapeControls(job.botId);
  const text = `${style.terminal ? '⚪ ' : ''}${bot} is stopped.${container === undefined ? '' : ` Container: ${container}`}`;
  return { exitCode: exitCodes.done, text: [text, ...noticesOf(resultOf(job))].join('\n') };
}

export function renderDeleted(job: Job, style: Style, purge = false): RenderedJob {
  const pending = renderPending(job, style);
  if (pending !== undefined) return pending;
  const bot = escapeControls(job.botId);
  const text = `${style.terminal ? '⚪ ' : ''}${bot} is deleted${purge ? ' with its data' : ''}.`;
  return { exitCode: exitCodes.done, text: [text, ...noticesOf(resultOf(job))].join('\n') };
}

/** What the worker reports in addition to the success. */
const noticesOf = (result: JsonObject): readonly string[] =>
  (linesOf(result['notices']) ?? []).map((notice) => `  Note: ${escapeControls(notice)}`);

/** What --move-token has changed in what was sent. The files that it was sent from are not touched. */
function movedOf(result: JsonObject): readonly string[] {
  const moved = linesOf(result['moved']) ?? [];
  if (moved.length === 0) return [];
  const own = 'your own files are as they were: change them in the same way';
  return [...moved, own].map((line) => `  Token: ${escapeControls(line)}`);
}

/** What was found in the source. It names fields of requests beside options, which mean nothing to somebody typing commands. */
const warningsOf = (result: JsonObject): readonly string[] =>
  (linesOf(result['warnings']) ?? []).map(
    (warning) => `  Warning: ${escapeControls(warning.replace('--move-token ("move_token": true)', '--move-token'))}`,
  );

/** The job's result with its ids, or its acceptance. */
export const jobResultJson = (job: Job): JsonObject => ({
  job_id: job.jobId,
  bot_id: job.botId,
  ...(job.status === JobStatus.COMPLETED ? resultOf(job) : { status: 'accepted' }),
});

/** One line about what a job is doing now; undefined while all that is known is that it continues. */
export function jobActivity(job: Job): string | undefined {
  if (job.status === JobStatus.WAITING_FOR_WORKER) {
    return job.reason === '' ? 'Waiting for a worker' : `Waiting for a worker: ${escapeControls(job.reason)}`;
  }
  return job.reason === '' ? undefined : escapeControls(job.reason);
}

const actionWords: Readonly<Record<string, string>> = {
  start: 'Starting',
  update: 'Updating',
  configure: 'Configuring',
  restart: 'Restarting',
  stop: 'Stopping',
  delete: 'Deleting',
};

/** What a job is for, in a word, for the moving line of a terminal. */
export const actionWord = (job: Job): string => actionWords[job.action] ?? 'Working';

export const statusWord = (status: JobStatus): string => (JobStatus[status] ?? 'unspecified').toLowerCase();
