/** Tables of jobs and of the states they went through. */

import { encodeTime } from 'ulid';
import { type JsonObject, type Problem, problem } from '#common/problem.ts';
import { actionsThat } from '../../core/actions.ts';
import { parseJobInput, storedParams } from '../../core/job-params.ts';
import { jobStates } from '../../core/job-states.ts';
import { type JobRecord, jobStatuses } from '../../core/records.ts';
import type { Statements } from '../damage.ts';
import type { JobTable } from '../store.ts';
import { bytesOf, bytesOrNull, jsonOf, jsonOrNull, numberOf, type Row, textOf, textOrNull, wordOf } from './row.ts';

const unreadable = (): Problem =>
  problem('INTERNAL', "The reason for the failure cannot be read: the job's row in the store is damaged.");

function toJob(row: Row): JobRecord {
  return {
    jobId: textOf(row, 'job_id'),
    userId: textOf(row, 'user_id'),
    blueprint: textOf(row, 'blueprint'),
    ...parseJobInput(textOf(row, 'action'), jsonOf<JsonObject>(row, 'params', {})),
    botId: textOf(row, 'bot_id'),
    mutating: numberOf(row, 'mutating') === 1,
    state: wordOf(row, 'state', jobStates, 'unreadable'),
    // A job that cannot be told to have ended is at work until its deadline.
    status: wordOf(row, 'status', jobStatuses, 'running'),
    reason: textOf(row, 'reason'),
    specSealed: bytesOrNull(row, 'spec_sealed'),
    result: jsonOrNull<JsonObject>(row, 'result', {}),
    error: jsonOrNull<Problem>(row, 'error', unreadable()),
    taskId: textOrNull(row, 'task_id'),
    createdAt: numberOf(row, 'created_at'),
    updatedAt: numberOf(row, 'updated_at'),
    deadlineAt: numberOf(row, 'deadline_at'),
  };
}

const takingPlace = actionsThat(({ takesPlace }) => takesPlace)
  .map((action) => `'${action}'`)
  .join(', ');
const open = "status NOT IN ('completed', 'failed', 'cancelled')";

export function createJobTable(db: Statements): JobTable {
  const get = db.prepare('SELECT * FROM jobs WHERE job_id = ?');
  const put = db.prepare(`
    INSERT OR REPLACE INTO jobs (
      job_id, user_id, blueprint, action, bot_id, mutating, state, status, reason, params, spec_sealed, result, error,
      task_id, created_at, updated_at, deadline_at
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const addStep = db.prepare(`
    INSERT INTO job_steps (job_id, step, state, at)
    SELECT ?1, coalesce(max(step), 0) + 1, ?2, ?3 FROM job_steps WHERE job_id = ?1`);
  const steps = db.prepare('SELECT state, at FROM job_steps WHERE job_id = ? ORDER BY step');
  const openOfBot = db.prepare(
    `SELECT * FROM jobs WHERE user_id = ? AND bot_id = ? AND ${open} AND mutating = 1 ORDER BY job_id`,
  );
  const startingBots = db.prepare(
    `SELECT DISTINCT bot_id FROM jobs WHERE user_id = ? AND ${open} AND action IN (${takingPlace})`,
  );
  const withStatus = db.prepare(`SELECT * FROM jobs WHERE ${open} AND status = ? ORDER BY job_id`);
  // In the words of the index jobs_waiting, so that nothing is scanned.
  const waiting = db.prepare("SELECT * FROM jobs WHERE status = 'waiting_for_worker' ORDER BY job_id");
  const anyWaits = db.prepare("SELECT 1 FROM jobs WHERE status = 'waiting_for_worker' LIMIT 1");
  const sealedAfter = db.prepare(`
    SELECT user_id, bot_id, job_id, spec_sealed FROM jobs WHERE ${open} AND spec_sealed IS NOT NULL AND job_id > ?
    ORDER BY job_id LIMIT ?`);
  const overdue = db.prepare(`SELECT * FROM jobs WHERE ${open} AND deadline_at <= ? ORDER BY deadline_at`);
  const nextDeadline = db.prepare(`SELECT min(deadline_at) AS next FROM jobs WHERE ${open}`);
  const newestId = db.prepare('SELECT max(job_id) AS newest FROM jobs');
  const followClock = db.prepare(`
    UPDATE jobs SET created_at = created_at + ?1, updated_at = updated_at + ?1, deadline_at = deadline_at + ?1
    WHERE ${open}`);
  const boundDeadlines = db.prepare(`
    UPDATE jobs SET deadline_at = ?1 + (deadline_at - created_at), created_at = ?1 WHERE ${open} AND created_at > ?1`);
  // An id begins with the time it was made at, so old jobs are those with the lowest ids.
  const oldFinal = db.prepare(`SELECT job_id, task_id FROM jobs WHERE job_id < ? AND NOT (${open}) LIMIT ?`);
  const remove = db.prepare('DELETE FROM jobs WHERE job_id = ?');
  const removeSteps = db.prepare('DELETE FROM job_steps WHERE job_id = ?');
  const removeTask = db.prepare('DELETE FROM tasks WHERE task_id = ?');
  return {
    get: (jobId) => {
      const row = get.get(jobId);
      return row && toJob(row);
    },
    put: (job) => {
      put.run(
        job.jobId,
        job.userId,
        job.blueprint,
        job.action,
        job.botId,
        job.mutating ? 1 : 0,
        job.state,
        job.status,
        job.reason,
        JSON.stringify(storedParams(job)),
        job.specSealed,
        job.result && JSON.stringify(job.result),
        job.error && JSON.stringify(job.error),
        job.taskId,
        job.createdAt,
        job.updatedAt,
        job.deadlineAt,
      );
    },
    addStep: (jobId, state, at) => {
      addStep.run(jobId, state, at);
    },
    steps: (jobId) => steps.all(jobId).map((row) => ({ state: textOf(row, 'state'), at: numberOf(row, 'at') })),
    openOfBot: ({ userId, botId }) => openOfBot.all(userId, botId).map(toJob),
    startingBots: (userId) => startingBots.all(userId).map((row) => textOf(row, 'bot_id')),
    withStatus: (status) => (status === 'waiting_for_worker' ? waiting.all() : withStatus.all(status)).map(toJob),
    anyWaits: () => anyWaits.get() !== undefined,
    sealedAfter: (jobId, limit) =>
      sealedAfter.all(jobId, limit).map((row) => ({
        userId: textOf(row, 'user_id'),
        botId: textOf(row, 'bot_id'),
        jobId: textOf(row, 'job_id'),
        sealed: bytesOf(row, 'spec_sealed'),
      })),
    overdue: (now) => overdue.all(now).map(toJob),
    prune: (before, limit) => {
      const rows = oldFinal.all(encodeTime(Math.max(0, before)), limit);
      for (const row of rows) {
        const jobId = textOf(row, 'job_id');
        removeTask.run(textOrNull(row, 'task_id'));
        removeSteps.run(jobId);
        remove.run(jobId);
      }
      return rows.length;
    },
    nextDeadline: () => {
      const next = nextDeadline.get()?.['next'];
      return typeof next === 'number' ? next : undefined;
    },
    newestId: () => textOrNull(newestId.get() ?? { newest: null }, 'newest') ?? undefined,
    followClock: (stepMs) => {
      followClock.run(stepMs);
    },
    boundDeadlines: (now) => {
      boundDeadlines.run(now);
    },
  };
}
