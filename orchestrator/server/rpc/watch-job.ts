/** JobService.WatchJob: a job's changes and its build output until it is final. What goes to many is encoded once. */

import { isDeepStrictEqual } from 'node:util';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { madeOnce } from '#common/made-once.ts';
import { unwrap } from '#common/problem.ts';
import { linkSignals } from '#common/waiting/abort.ts';
import type { WatchJobRequest } from '#gen/botrunner/v1/job_service_pb.js';
import { WatchJobResponseSchema } from '#gen/botrunner/v1/job_service_pb.js';
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';
import { isFinal, type ShownJob } from '../../core/records.ts';
import type { Engine } from '../../engine/engine.ts';
import type { EventFeed, FeedItem } from '../../events/feed.ts';
import { parseResumePoint, resumePoint } from '../../events/resume-point.ts';
import type { BuildOutputHub } from '../../logs/build-output-hub.ts';
import type { LiveEvent } from '../../views/event.ts';
import { jobToProto } from '../../views/proto.ts';
import { encodeFrame } from './frames.ts';
import type { OwnStream } from './own-stream.ts';

export interface WatchJobDeps {
  readonly engine: Engine;
  readonly feed: EventFeed;
  readonly storeId: string;
  readonly buildOutput: BuildOutputHub;
}

/** What it returns ends with the stream; rejects with ProblemError: JOB_NOT_FOUND, INVALID_CURSOR, UNAVAILABLE. */
export function createWatchJob(deps: WatchJobDeps) {
  const { engine, feed, storeId } = deps;
  const [protobuf, json] = [formOf(storeId, true), formOf(storeId, false)];
  return async function watchJob(userId: string, request: WatchJobRequest, stream: OwnStream): Promise<void> {
    const { jobId } = request;
    const { ofJob, ofEvent, ofOutput } = stream.binary ? protobuf : json;
    const watching = new AbortController();
    using linked = linkSignals(stream.signal, watching.signal);
    const both = linked.signal;
    const output = deps.buildOutput.watch(jobId, both);
    try {
      const { job, seq: now } = await engine.getJobAt(userId, jobId);
      const from = request.resumeFrom === '' ? undefined : unwrap(parseResumePoint(storeId, request.resumeFrom));
      if (from === undefined && !(await stream.write(ofJob(job, now)))) return;
      if (output.soFar.length > 0 && !(await stream.write(ofOutput(output.soFar)))) return;
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
          if (!(await stream.write(ofOutput(item.value)))) return;
          continue;
        }
        if (item.value.kind === 'mark') continue;
        const event = item.value.kind === 'event' ? item.value.event : undefined;
        const change = event?.record.body.kind === 'job' ? event.record.body.job : undefined;
        // An event leaves out large results; and after a reset only the store knows.
        const next = change === undefined || isFinal(change.status) ? await engine.getJob(userId, jobId) : change;
        const isWhole = event !== undefined && change !== undefined && saysAll(change, next);
        if (!(await stream.write(isWhole ? ofEvent(event) : ofJob(next, item.value.seq)))) return;
        if (isFinal(next.status)) return;
      }
    } finally {
      watching.abort();
    }
  };
}

/** The messages of a stream, as protobuf or as JSON. */
function formOf(storeId: string, binary: boolean) {
  const encode = (response: MessageInitShape<typeof WatchJobResponseSchema>) =>
    encodeFrame(WatchJobResponseSchema, create(WatchJobResponseSchema, response), binary);
  const ofJob = (job: ShownJob, seq: number) =>
    encode({ update: { case: 'job', value: jobToProto(job) }, resumeFrom: resumePoint(storeId, seq) });
  return {
    ofJob,
    ofEvent: madeOnce(({ record: { body, seq } }: LiveEvent) => {
      if (body.kind !== 'job') throw new Error('the event is not about a job');
      return ofJob(body.job, seq);
    }),
    ofOutput: madeOnce((entries: readonly LogEntry[]) =>
      encode({ update: { case: 'buildOutput', value: { entries: [...entries] } } }),
    ),
  };
}

/** Whether an event's job lacks nothing of the one in the store. */
const saysAll = (change: ShownJob, { status, result, error }: ShownJob): boolean =>
  change.status === status && isDeepStrictEqual([change.result, change.error], [result, error]);

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
