/**
 * The backend on a database in memory. It keeps nothing loaded, so that works meet NotLoaded, and others may write to its database.
 * From a seed it fails as a network does: conflicts, delays, commits of which nobody knows what became of them, and commits that
 * arrive late.
 */
import { setImmediate } from 'node:timers/promises';
import { ProblemError, problem } from '#common/problem.ts';
import { storedBytes } from '../../core/job.ts';
import { noRoom } from '../../core/no-room.ts';
import type { EventRecord } from '../../core/records.ts';
import { isFinal } from '../../core/records.ts';
import { type Backend, type Batch, type Committed, Conflict, Unavailable } from '../backend.ts';
import { fairLevel } from '../event-index.ts';
import { specBinding } from '../seal.ts';
import type { EventLog, OwnedSource, Upkeep } from '../store.ts';
import type { MemoryDatabase } from './memory-database.ts';

export interface MemoryFaults {
  /** In [0, 1), the same again for the same seed. */
  readonly random: () => number;
  /** How often each happens, 0 to 1. */
  readonly conflict?: number;
  readonly delay?: number;
  /** The answer to a commit is lost: it may have happened, not have happened, or happen later. */
  readonly unknown?: number;
  /** Nothing was sent at all. */
  readonly unavailable?: number;
}

export function createMemoryBackend(database: MemoryDatabase, faults: MemoryFaults = { random: () => 1 }): Backend {
  const { random } = faults;
  const happens = (share = 0) => share > 0 && random() < share;
  /** Sent, and not arrived yet. */
  const late = new Map<string, Batch>();

  async function delayed(): Promise<void> {
    do await setImmediate();
    while (happens(faults.delay));
  }

  /** What was sent late arrives: before anything else of this backend does, unless somebody has ended it. */
  function arrive(): void {
    for (const [id, batch] of late) {
      late.delete(id);
      try {
        database.commit(batch);
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
    }
  }

  function send(batch: Batch): Committed {
    const lot = random();
    if (lot < 0.34) database.commit(batch);
    // Its rows are as they are now, whatever becomes of the workspace.
    else if (lot < 0.67) late.set(batch.id, frozen(batch));
    throw new Unavailable('the connection was cut', true);
  }

  return {
    async load(wants) {
      await delayed();
      return database.load(wants);
    },
    async commit(batch) {
      await delayed();
      arrive();
      if (happens(faults.unavailable)) throw new Unavailable('nobody answers', false);
      if (happens(faults.conflict)) throw new Conflict('by the seed');
      if (database.isFull)
        throw new ProblemError(problem('STORAGE_FULL', 'The disk of the orchestrator is full; nothing was changed.'));
      return happens(faults.unknown) ? send(batch) : database.commit(batch);
    },
    async outcome(batchId) {
      await delayed();
      if (happens(faults.unknown)) throw new Unavailable('nobody answers', true);
      if (happens(0.5)) arrive();
      late.delete(batchId);
      return database.outcome(batchId);
    },
    events: eventsOf(database, delayed),
    chunks: {
      async chunk(uploadId, n) {
        const bytes = database.chunks.get(uploadId)?.get(n);
        return bytes && { bytes, isSealed: true };
      },
      async chunkSize(uploadId, n) {
        const bytes = database.chunks.get(uploadId)?.get(n);
        return bytes && { storedBytes: bytes.length, isSealed: true };
      },
    },
    upkeep: upkeepOf(database),
    lastSeq: database.lastSeq,
    assertAnswers: () => undefined,
    hasRoom: () => !database.isFull,
    async assertRoom() {
      if (database.isFull) throw noRoom();
    },
    trouble: () => undefined,
    judge: (error) => error,
    close: async () => arrive(),
  };
}

function frozen(batch: Batch): Batch {
  const { id, chunks, events, afterSeq } = batch;
  const [guards, moved] = [batch.guards(), batch.moved()];
  const rows = Object.fromEntries(
    Object.entries(batch.rows).map(([name, kind]) => {
      const changes: unknown[] = [...kind.changes()];
      return [name, { changes: () => changes }];
    }),
  ) as unknown as Batch['rows']; // each name with the changes that its kind had
  return { id, rows, chunks: [...chunks], events: [...events], afterSeq, guards: () => guards, moved: () => moved };
}

function eventsOf(database: MemoryDatabase, delayed: () => Promise<void>): EventLog {
  const first = <T>(rows: readonly T[], limit: number) => rows.slice(0, limit);
  const read = async <T>(work: () => T): Promise<T> => {
    await delayed();
    return work();
  };
  const newest = (of: (event: MemoryDatabase['events'][number]) => string | undefined) => {
    const found = new Map(database.events.flatMap((event) => (of(event) === undefined ? [] : [[of(event), event]])));
    return [...found.values()].sort((a, b) => a.seq - b.seq);
  };
  return {
    after: (seq, limit) =>
      read(() =>
        first(
          database.events.filter((event) => event.seq > seq),
          limit,
        ),
      ),
    floor: (userId) => read(() => Math.max(database.floor, database.floors.get(userId) ?? 0)),
    ofUserAfter: (userId, seq, limit) =>
      read(() =>
        first(
          database.events.filter((event) => event.userId === userId && event.seq > seq),
          limit,
        ),
      ),
    lastOf: (userId, { botId = '', jobs }, limit) =>
      read(() =>
        database.events
          .filter((event) => event.userId === userId && (botId === '' || event.botId === botId))
          .filter(({ body }) => body.kind === 'bot' || (jobs && body.kind === 'job'))
          .slice(-limit),
      ),
    latestOfBots: (seq, limit) =>
      read(() => {
        const bots = database.kind('bots');
        const keyOf = ({ userId, botId, botSeq, body }: MemoryDatabase['events'][number]) =>
          body.kind === 'bot' && bots.get(`${userId}/${botId}`)?.eventSeq === botSeq ? `${userId}/${botId}` : undefined;
        return first(
          newest(keyOf).filter((event) => event.seq > seq),
          limit,
        );
      }),
    latestOfWorkers: () => read(() => newest(({ userId, subjectId }) => (userId === '' ? subjectId : undefined))),
  };
}

function upkeepOf(database: MemoryDatabase): Upkeep {
  const bots = () => [...database.kind('bots').values()];
  const jobs = () => [...database.kind('jobs').values()].map(({ job }) => job);
  const openSealed = () =>
    jobs().flatMap(({ userId, botId, jobId, specSealed, status }) =>
      specSealed === null || isFinal(status) ? [] : [{ userId, botId, jobId, sealed: specSealed }],
    );
  const after = <T>(rows: readonly T[], key: (row: T) => string, than: string, limit: number) =>
    rows
      .filter((row) => key(row) > than)
      .sort((a, b) => (key(a) < key(b) ? -1 : 1))
      .slice(0, limit);
  const botKey = ({ userId, botId }: { readonly userId: string; readonly botId: string }) => `${userId}\0${botId}`;
  const ownedKey = ({ userId, sha256 }: OwnedSource) => `${userId}\0${sha256}`;
  const isCounted = ({ seq, userId }: EventRecord) => seq > Math.max(database.floor, database.floors.get(userId) ?? 0);
  return {
    eventCount: async () => database.events.filter(isCounted).length,
    async pruneEvents({ before, keep, limit }) {
      const isLast = ({ userId, botId, botSeq, body }: EventRecord) =>
        body.kind === 'bot' && database.kind('bots').get(`${userId}/${botId}`)?.eventSeq === botSeq;
      const old = database.events.filter(({ seq }) => seq > database.floor).slice(0, limit);
      const stays = old.findIndex(({ at }) => at >= before);
      const going = stays === -1 ? old : old.slice(0, stays);
      if (going.length > 0) {
        database.floor = going.at(-1)?.seq ?? database.floor;
        database.events = database.events.filter((event) => event.seq > database.floor || isLast(event));
        return going.length;
      }
      const ofUsers = new Map<string, EventRecord[]>();
      for (const event of database.events) {
        if (!isCounted(event)) continue;
        ofUsers.set(event.userId, [...(ofUsers.get(event.userId) ?? []), event]);
      }
      const level = fairLevel(
        [...ofUsers.values()].map(({ length }) => length),
        keep,
      );
      const beyond = [...ofUsers.values()].flatMap((own) =>
        own.slice(0, Math.max(0, own.length - (level ?? own.length))),
      );
      const gone = new Set(beyond.slice(0, limit));
      for (const { userId, seq } of gone) database.floors.set(userId, Math.max(seq, database.floors.get(userId) ?? 0));
      database.events = database.events.filter((event) => !gone.has(event) || isLast(event));
      return gone.size;
    },
    async pruneJobs(before, limit) {
      const old = jobs()
        .filter(({ status, createdAt }) => isFinal(status) && createdAt < before)
        .slice(0, limit);
      for (const { jobId, taskId } of old) {
        database.kind('jobs').delete(jobId);
        database.kind('tasks').delete(taskId ?? '');
      }
      return old.length;
    },
    async pruneJobsBeyond(bytesMax, limit) {
      const ended = jobs().filter(({ status }) => isFinal(status));
      const left = new Map<string, number>();
      for (const job of jobs()) left.set(job.userId, (left.get(job.userId) ?? 0) + storedBytes(job));
      const going = ended
        .sort((a, b) => (a.jobId < b.jobId ? -1 : 1))
        .filter((job) => {
          const bytes = left.get(job.userId) ?? 0;
          if (bytes <= bytesMax(job.userId)) return false;
          left.set(job.userId, bytes - storedBytes(job));
          return true;
        })
        .slice(0, limit);
      for (const { jobId } of going) {
        database.kind('jobs').delete(jobId);
        for (const [key, row] of database.kind('idempotency'))
          if (row.jobId === jobId) database.kind('idempotency').delete(key);
      }
      return going.length;
    },
    async historyOf(userId) {
      const ended = jobs().filter((job) => job.userId === userId && isFinal(job.status));
      const told = database.events.filter((event) => event.userId === userId);
      return {
        jobs: ended.length,
        jobBytes: ended.reduce((sum, job) => sum + storedBytes(job), 0),
        events: told.length,
        eventBytes: told.reduce((sum, { body }) => sum + JSON.stringify(body).length, 0),
      };
    },
    async pruneIdempotency(before, limit) {
      const keys = database.kind('idempotency');
      const old = [...keys].filter(([, { createdAt }]) => createdAt < before).slice(0, limit);
      for (const [key] of old) keys.delete(key);
      return old.length;
    },
    async removeChunks(uploadId, limit) {
      const upload = database.chunks.get(uploadId);
      const going = [...(upload?.keys() ?? [])].slice(0, limit);
      for (const n of going) upload?.delete(n);
      if (upload?.size === 0) database.chunks.delete(uploadId);
      return going.length;
    },
    async unfinishedUploads() {
      const known = new Set([...database.kind('artifacts').values()].map(({ uploadId }) => uploadId));
      return [...database.chunks.keys()].filter((uploadId) => !known.has(uploadId));
    },
    newestId: async () => [...database.kind('jobs').keys(), ...database.kind('tasks').keys()].sort().at(-1),
    sealedJobsAfter: async (jobId, limit) => after(openSealed(), (job) => job.jobId, jobId, limit),
    sealedBotsAfter: async (key, limit) =>
      after(bots(), botKey, botKey(key), limit).map(({ userId, botId, specSealed, undo }) => ({
        userId,
        botId,
        sealed: [specSealed, undo?.specSealed].flatMap((each) => each ?? []),
      })),
    sealedBots: async () =>
      bots().flatMap(({ userId, botId, specSealed }) => (specSealed === null ? [] : [{ userId, botId, specSealed }])),
    sealedSamples: async () =>
      bots().flatMap((bot) => (bot.specSealed === null ? [] : [{ boundTo: specBinding(bot), sealed: bot.specSealed }])),
    ownedAfter: async (from, limit) => after([...database.kind('owners').values()], ownedKey, ownedKey(from), limit),
    ownedBy: async (userId) =>
      [...database.kind('owners').values()].filter((row) => row.userId === userId).map(({ sha256 }) => sha256),
    holdingMost: async (limit) =>
      [...database.kind('holdings').values()]
        .sort((a, b) => b.sourceBytes - a.sourceBytes)
        .slice(0, limit)
        .map(({ userId }) => userId),
    keepReserve: async () => 'kept',
    // It is never of an earlier release.
    plainChunks: async () => [],
    replacePlainChunks: async () => undefined,
    forgetPlainChunks: async () => undefined,
    async dropSealedSources() {
      for (const kind of ['artifacts', 'owners'] as const) database.kind(kind).clear();
      database.chunks.clear();
    },
    shrink: async () => false,
  };
}
