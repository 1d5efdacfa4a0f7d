/**
 * Jobs that come one after the other on one stream, each answered once it is on disk. They do not wait for each other's commits,
 * and reach the engine in the order they came: a stop that follows a start ends that start.
 */
import { AsyncQueue } from '#common/waiting/async-queue.ts';
import { inOrder } from '#common/waiting/in-order.ts';
import type { JobRecord } from '../core/records.ts';
import type { NewJob } from '../engine/accept.ts';
import { type JobRequest, prepareJob, type SubmitDeps } from './submit.ts';

// As many as share one commit. A caller that does not read its answers is not read from either.
const underWayMax = 512;

export interface JobStream<Request, Answer> {
  readonly requests: AsyncIterable<Request>;
  readonly userId: string;
  /** May throw ProblemError. */
  readonly read: (request: Request) => JobRequest;
  readonly accepted: (request: Request, job: JobRecord) => Answer;
  /** The others continue. */
  readonly refused: (request: Request, error: unknown) => Answer;
}

/** The answers, in the order of the commits. Ends when the requests have ended and all are answered; throws what they throw. */
export async function* answersOf<Request, Answer>(
  deps: SubmitDeps,
  { requests, userId, read, accepted, refused }: JobStream<Request, Answer>,
): AsyncGenerator<Answer> {
  const answers = new AsyncQueue<{ readonly answer: Answer; readonly taken: () => void }>(underWayMax);
  const submit = inTurns((job) => deps.engine.createJob(job));
  const handle = async (request: Request) => {
    let answer: Answer;
    try {
      answer = accepted(request, await submit(() => prepareJob(deps, userId, read(request))));
    } catch (error) {
      answer = refused(request, error);
    }
    await new Promise<void>((taken) => answers.push({ answer, taken }));
  };
  let left = false;
  const fail = (error: unknown) => answers.end(error instanceof Error ? error : new Error(String(error)));
  const stream = { handle, underWayMax, continues: () => !left };
  inOrder(requests[Symbol.asyncIterator](), stream, fail).then(() => answers.end(), fail);
  try {
    for await (const { answer, taken } of answers.read()) {
      yield answer;
      taken();
    }
  } finally {
    left = true;
  }
}

/** Jobs begin in the order of their requests, even where one takes longer to prepare than those after it. */
function inTurns(create: (job: NewJob) => Promise<JobRecord>) {
  let ahead: Promise<void> | undefined;
  return async (prepare: () => NewJob | Promise<NewJob>): Promise<JobRecord> => {
    const before = ahead;
    const ready = prepare();
    if (before === undefined && !(ready instanceof Promise)) return create(ready);
    const begun = Promise.withResolvers<void>();
    ahead = begun.promise;
    let created: Promise<JobRecord>;
    try {
      const [job] = await Promise.all([ready, before]);
      created = create(job);
    } finally {
      // A later one may have come behind it meanwhile.
      if (ahead === begun.promise) ahead = undefined;
      // One that is refused does not let those behind it pass those before it.
      (before ?? Promise.resolve()).then(begun.resolve);
    }
    return created;
  };
}
