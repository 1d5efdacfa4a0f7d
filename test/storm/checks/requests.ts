/** No request that was acknowledged is lost, and none is done twice. Pure. */
import type { JsonBody } from '../../kit/orchestrator-for-tests.ts';
import { botKey, type Finding, type StormRecord } from '../record.ts';
import { lateCopiesOf } from './late-copies.ts';

export function checkRequests({ requests, events }: StormRecord): readonly Finding[] {
  const findings: Finding[] = [];
  const known = new Set<string>(lateCopiesOf({ requests, events }).jobs);
  for (const { planned, key, answer, otherJobs, job, jobGone } of requests) {
    const what = `${planned.action} of ${botKey(planned)} (${key})`;
    if (answer.kind === 'none') findings.push({ rule: 'lost', text: `${what} never got an answer` });
    if (answer.kind !== 'accepted') continue;
    known.add(answer.jobId);
    if (jobGone)
      findings.push({ rule: 'lost', text: `${what} was accepted, and job ${answer.jobId} is not known any more` });
    else if (job === undefined)
      findings.push({ rule: 'lost', text: `${what} was accepted, and job ${answer.jobId} never ends` });
    for (const other of otherJobs) {
      findings.push({
        rule: 'doubled',
        text: `${what} is job ${answer.jobId}, and was answered with job ${other} too`,
      });
    }
  }
  for (const [user, seen] of events) {
    const strangers = new Map<string, JsonBody>();
    for (const { kind, data } of seen) {
      if (kind === 'job' && !known.has(data.job.job_id)) strangers.set(data.job.job_id, data.job);
    }
    for (const [jobId, job] of strangers) {
      if (isOwn(job)) continue;
      findings.push({ rule: 'doubled', text: `user ${user} has a job ${jobId} (${job.state}) that nobody asked for` });
    }
  }
  return findings;
}

/**
 * Reads change nothing; and the orchestrator itself makes the stop of a bot whose token is taken over, and the move of one in
 * a drain.
 */
const isOwn = ({ action }: JsonBody): boolean => !['start', 'update', 'restart', 'delete'].includes(action);
