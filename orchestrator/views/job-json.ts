/**
 * A job as REST shows it. `state_history` holds the result's fields, because the clients of the original system read them
 * there; no other key named `state` exists at any depth.
 */
import type { JsonObject } from '#common/json.ts';
import type { Problem } from '#common/problem.ts';
import type { ShownJob } from '../core/records.ts';
import { rfc3339 } from './time.ts';

/** A problem as the value of "error". */
export const problemToJson = ({ code, message, details, hint, example }: Problem): JsonObject => ({
  code,
  message,
  details,
  hint,
  example,
});

export function jobToJson(job: ShownJob): JsonObject {
  const data: JsonObject =
    job.error !== null ? { error: problemToJson(job.error) } : job.result !== null ? { result: job.result } : {};
  return {
    job_id: job.jobId,
    blueprint: job.blueprint,
    state: job.state,
    current_state: job.state,
    status: job.status,
    reason: job.reason,
    data,
    state_history: job.result ?? {},
    created_at: rfc3339(job.createdAt),
    updated_at: rfc3339(job.updatedAt),
    deadline_at: rfc3339(job.deadlineAt),
  };
}
