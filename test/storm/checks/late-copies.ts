/**
 * Requests that were sent twice with one key, refused the second time, and done all the same: the first copy, whose sender had gone, lay on the
 * way meanwhile, and arrived when the reason for the refusal had passed. No server can know of it. Pure.
 */
import { botKey, type RequestRecord, type StormRecord } from '../record.ts';

/** The ids of such jobs, and their bots. */
export function lateCopiesOf({ requests, events }: Pick<StormRecord, 'requests' | 'events'>): {
  readonly jobs: ReadonlySet<string>;
  readonly bots: ReadonlySet<string>;
} {
  const known = new Set(requests.flatMap(({ answer }) => (answer.kind === 'accepted' ? [answer.jobId] : [])));
  const refused = new Map<string, RequestRecord[]>();
  for (const request of requests) {
    if (request.answer.kind !== 'refused' || request.sends < 2) continue;
    const what = `${request.planned.action} ${botKey(request.planned)}`;
    refused.set(what, [...(refused.get(what) ?? []), request]);
  }
  const jobs = new Set<string>();
  const bots = new Set<string>();
  for (const [user, seen] of events) {
    for (const { kind, data } of seen) {
      if (kind !== 'job' || known.has(data.job.job_id) || jobs.has(data.job.job_id)) continue;
      const bot = botKey({ user, bot: data.bot_id });
      // Each request has one copy that may be late.
      if (refused.get(`${data.job.action} ${bot}`)?.shift() === undefined) continue;
      jobs.add(data.job.job_id);
      bots.add(bot);
    }
  }
  return { jobs, bots };
}
