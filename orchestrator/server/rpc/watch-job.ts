/** JobService.WatchJob: a job's changes and its build output until it is final. */

import { create } from '@bufbuild/protobuf';
import { unwrap } from '#common/problem.ts';
import { linkSignals } from '#common/waiting/abort.ts';
import type { WatchJobRequest, WatchJobResponse } from '#gen/botrunner/v1/job_service_pb.js';
import { WatchJobResponseSchema } from '#gen/botrunner/v1/job_service_pb.js';
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';
import { isFinal, type ShownJob } from '../../core/records.ts';
import type { Engine } from '../../engine/engine.ts';
import type { EventFeed, FeedItem } from '../../events/feed.ts';
import { parseResumePoint, resumePoint } from '../../events/resume-point.ts';
import type { BuildOutputHub } from '../../logs/build-output-hub.ts';
import { jobToProto } from '../../views/proto.ts';

export interface WatchJobDeps {
  readonly engine: Engine;
  readonly feed: EventFeed;
  readonly storeId: string;
  readonly buildOutput: BuildOutputHub;
}

/** Throws ProblemError: JOB_NOT_FOUND, INVALID_CURSOR, UNAVAILABLE. */
export async function* watchJob(
  deps: WatchJobDeps,
  userId: string,
  request: WatchJobRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchJobResponse> {
  const { engine, feed, storeId } = deps;
  const { jobId } = request;
  const watching = new AbortController();
  using linked = linkSignals(signal, watching.signal);
  const both = linked.signal;
  const output = deps.buildOutput.watch(jobId, both);
  const jobUpdate = (job: ShownJob, seq: number): WatchJobResponse =>
    create(WatchJobResponseSchema, {
      update: { case: 'job', value: jobToProto(job) },
      resumeFrom: resumePoint(storeId, seq),
    });
  try {
    const { job, seq: now } = await engine.getJobAt(userId, jobId);
    const from = request.resumeFrom === '' ? undefined : unwrap(parseResumePoint(storeId, request.resumeFrom));
    if (from === undefined) yield jobUpdate(job, now);
    if (output.soFar.length > 0) yield outputUpdate(output.soFar);
    if (from === undefined && isFinal(job.status)) return;
    const query = {
      userId,
      wants: ({ body, subjectId }: { body: { kind: string }; subjectId: string }) =>
        body.kind === 'job' && subjectId === jobId,
    };
    // A final job has nothing to come: what was missed is all there is.
    const changes = feed.watch(query, from ?? now, both, { untilNow: isFinal(job.status) });
    for await (const item of merge(changes, output.live)) {
      if (item.from === 'output') {
        yield outputUpdate(item.value);
        continue;
      }
      const change = jobOf(item.value);
      if (item.value.kind === 'mark' || (item.value.kind === 'event' && change === undefined)) continue;
      // An event leaves out large results; and after a reset only the store knows.
      const next = change === undefined || isFinal(change.status) ? await engine.getJob(userId, jobId) : change;
      yield jobUpdate(next, item.value.seq);
      if (isFinal(next.status)) return;
    }
  } finally {
    watching.abort();
  }
}

function jobOf(item: FeedItem): ShownJob | undefined {
  return item.kind === 'event' && item.event.record.body.kind === 'job' ? item.event.record.body.job : undefined;
}

const outputUpdate = (entries: readonly LogEntry[]): WatchJobResponse =>
  create(WatchJobResponseSchema, { update: { case: 'buildOutput', value: { entries: [...entries] } } });

type Merged =
  | { readonly from: 'job'; readonly value: FeedItem }
  | { readonly from: 'output'; readonly value: readonly LogEntry[] };

/** Both streams in the order they come; ends with the changes. */
async function* merge(
  changes: AsyncIterable<FeedItem>,
  output: AsyncIterable<readonly LogEntry[]>,
): AsyncGenerator<Merged> {
  const jobs = changes[Symbol.asyncIterator]();
  const lines = output[Symbol.asyncIterator]();
  const readJob = () => jobs.next().then((value) => ({ from: 'job' as const, value }));
  const readLines = () => lines.next().then((value) => ({ from: 'output' as const, value }));
  let nextJob = readJob();
  let nextLines = readLines();
  for (;;) {
    // Lines first: those that came before the end of the build belong before it.
    const ready = await Promise.race([nextLines, nextJob]);
    if (ready.value.done) return;
    if (ready.from === 'output') {
      yield { from: 'output', value: ready.value.value };
      nextLines = readLines();
    } else {
      yield { from: 'job', value: ready.value.value };
      nextJob = readJob();
    }
  }
}
