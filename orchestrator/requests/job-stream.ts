/**
 * Jobs that come one after the other on one stream, each answered once it is on disk. They do not wait for each other's commits,
 * and reach the engine in the order they came: a stop that follows a start ends that start.
 */
import { inOrder } from '#common/waiting/in-order.ts';
import { oneByOne } from '#common/waiting/one-by-one.ts';
import type { JobRecord } from '../core/records.ts';
import type { NewJob } from '../engine/accept.ts';
import { type JobRequest, prepareJob, type SubmitDeps } from './submit.ts';

// A caller that does not read its answers is not read from either, nor one that has sent more than is taken at once.
const underWayMax = 512;

export interface JobStream<Request, Answer> {
  /** Those together that have come together. */
  readonly requests: AsyncIterable<readonly Request[]>;
  readonly userId: string;
  /** May throw ProblemError. */
  readonly read: (request: Request) => JobRequest;
  readonly accepted: (request: Request, job: JobRecord) => Answer;
  /** The others continue. */
  readonly refused: (request: Request, error: unknown) => Answer;
  /** Sends answers, in the order of the commits; false when there is nobody to send to. The next ones wait for its promise. */
  readonly send: (answers: readonly Answer[]) => boolean | Promise<boolean>;
}

/** Resolves when the requests have ended and all are answered, or when nobody takes answers; rejects with what the requests throw. */
export async function submitAll<Request, Answer>(
  deps: SubmitDeps,
  { requests, userId, read, accepted, refused, send }: JobStream<Request, Answer>,
): Promise<void> {
  const submit = inTurns((job) => deps.engine.createJob(job));
  let left = false;
  const answer = together<Answer>(async (answers) => {
    if (!left && !(await send(answers))) left = true;
  });
  const handle = async (request: Request) => {
    let outcome: Answer;
    try {
      outcome = accepted(request, await submit(() => prepareJob(deps, userId, read(request))));
    } catch (error) {
      outcome = refused(request, error);
    }
    await answer(outcome);
  };
  const whenFree = () => deps.engine.whenFree(userId);
  await inOrder(
    asTaken(oneByOne(requests), whenFree),
    { handle, underWayMax, continues: () => !left },
    () => undefined,
  );
}

/** As they are taken: what is not read yet is with the caller. */
async function* asTaken<T>(all: AsyncIterable<T>, whenFree: () => Promise<void> | undefined): AsyncGenerator<T> {
  for await (const one of all) {
    for (let free = whenFree(); free !== undefined; free = whenFree()) await free;
    yield one;
  }
}

/** Sends what comes in one turn at once, and the next when that is sent. Resolves when it is sent. */
function together<T>(send: (values: readonly T[]) => Promise<void>): (value: T) => Promise<void> {
  let waiting: T[] = [];
  let sending: Promise<void> | undefined;
  const sendAll = async () => {
    // Those that were answered by the same commit are here by then.
    await undefined;
    try {
      while (waiting.length > 0) {
        const values = waiting;
        waiting = [];
        await send(values);
      }
    } finally {
      sending = undefined;
    }
  };
  return (value) => {
    waiting.push(value);
    sending ??= sendAll();
    return sending;
  };
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
      // One that is refused does not let those behind it pass those before it.
      (before ?? Promise.resolve()).then(() => {
        begun.resolve();
        // A later one may have come behind it meanwhile.
        if (ahead === begun.promise) ahead = undefined;
      });
    }
    return created;
  };
}
