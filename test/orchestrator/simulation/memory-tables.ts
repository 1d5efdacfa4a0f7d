/**
 * The tables that the engine works on, in memory, with transactions: for running the engine hundreds of thousands of times. They
 * pass the contract of the store's own tables (tables.test.ts).
 */

import type { BotKey } from '../../../common/ids.ts';
import { actionsThat } from '../../../orchestrator/core/actions.ts';
import { boundAge, followingClock, limited } from '../../../orchestrator/core/bot/aged.ts';
import { mayRun } from '../../../orchestrator/core/quota.ts';
import {
  type BotRecord,
  type EventRecord,
  isFinal,
  type JobRecord,
  type Leftover,
  type TaskRecord,
  type WorkerRecord,
} from '../../../orchestrator/core/records.ts';
import type {
  ArtifactTable,
  BotTable,
  BotVolumeTable,
  IdempotencyTable,
  JobTable,
  LeftoverTable,
  OutboxTable,
  SourceTokenTable,
  Tables,
  TaskTable,
  TelegramTokenTable,
  WorkerTable,
} from '../../../orchestrator/store/store.ts';
import { Journal, JournalledMap } from './journalled-map.ts';

export interface MemoryTables {
  readonly tables: Tables;
  /** Every bot there is. */
  bots(): readonly BotRecord[];
  /** Runs work on them as one transaction: what it did is taken back when it throws, or when `keep` says so of its value. */
  transact<T>(work: (tables: Tables) => T, keep?: (value: T) => boolean): T;
}

const keyOf = ({ userId, botId }: BotKey): string => `${userId}/${botId}`;
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** What the engine does not use. */
const absent = (): never => {
  throw new Error('these tables are for the engine alone');
};

export function createMemoryTables(): MemoryTables {
  const journal = new Journal();
  const jobs = jobTable(journal);
  const bots = botTable(journal, jobs.startingOf);
  const tasks = taskTable(journal, jobs.open);
  let asked = 0;
  const tables: Tables = {
    // Any change may have made room.
    room: () => asked++,
    bots: bots.table,
    jobs: jobs.table,
    tasks,
    idempotency: idempotencyTable(journal),
    outbox: outboxTable(journal),
    workers: workerTable(journal),
    leftovers: leftoverTable(journal),
    botVolumes: botVolumeTable(journal),
    artifacts: artifactTable(journal),
    telegramTokens: telegramTokenTable(journal),
    sourceTokens: sourceTokenTable(journal, bots.onRemove),
    openings: { all: () => [], add: absent },
    tokens: { all: absent, put: absent, remove: absent },
    clock: { mark: () => undefined, setMark: () => undefined, ageMark: absent, setAgeMark: absent },
  };
  return {
    tables,
    bots: bots.all,
    transact(work, keep = () => true) {
      const value = journal.transact(() => work(tables), keep);
      journal.forget();
      return value;
    },
  };
}

function botTable(journal: Journal, startingOf: (userId: string) => readonly string[]) {
  const rows = new JournalledMap<BotRecord>(journal);
  const removed: ((key: BotKey) => void)[] = [];
  const all = () => [...rows.values()].sort((a, b) => byText(a.userId, b.userId) || byText(a.botId, b.botId));
  const each = (change: (bot: BotRecord) => BotRecord) => {
    for (const bot of [...rows.values()]) rows.set(keyOf(bot), change(bot));
  };
  const nextOf = (ageWarned: boolean) => {
    const times = [...rows.values()]
      .filter((bot) => bot.desired === 'running' && bot.ageWarned === ageWarned)
      .flatMap(({ stopsAt }) => stopsAt ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  };
  const table: BotTable = {
    get: (key) => rows.get(keyOf(key)),
    ofUser: (userId) => all().filter((bot) => bot.userId === userId && bot.desired !== 'removed'),
    sealedAfter: absent,
    sealed: () =>
      all().flatMap(({ userId, botId, specSealed }) => (specSealed === null ? [] : [{ userId, botId, specSealed }])),
    ofWorker: (workerId) => all().filter((bot) => bot.workerId === workerId),
    withPendingTask: (taskId) => all().find(({ pendingTask }) => pendingTask === taskId),
    reservedOn: (workerId) => {
      const there = [...rows.values()].filter((bot) => mayRun(bot) && bot.workerId === workerId);
      const sum = (of: 'memoryBytes' | 'cpuMillis') => there.reduce((all, bot) => all + bot[of], 0);
      return { memoryBytes: sum('memoryBytes'), cpuMillis: sum('cpuMillis') };
    },
    activeOf: (userId) => {
      const running = [...rows.values()].filter((bot) => bot.userId === userId && mayRun(bot));
      return new Map([...running.map(({ botId }) => botId), ...startingOf(userId)].map((botId) => [botId, true]));
    },
    aging: (stopsAt) =>
      all()
        .filter((bot) => bot.desired === 'running' && bot.stopsAt !== null && bot.stopsAt <= stopsAt)
        .sort((a, b) => (a.stopsAt ?? 0) - (b.stopsAt ?? 0)),
    nextAging: () => ({ unwarned: nextOf(false), warned: nextOf(true) }),
    setMaxRuntime: (maxRuntimeMs) => each((bot) => limited(bot, maxRuntimeMs)),
    followClock: (stepMs) => each((bot) => followingClock(bot, stepMs)),
    boundAges: (now) => each((bot) => boundAge(bot, now)),
    put: (bot) => rows.set(keyOf(bot), bot),
    remove(key) {
      if (rows.delete(keyOf(key))) for (const listener of removed) listener(key);
    },
  };
  return { table, all, onRemove: (listener: (key: BotKey) => void) => void removed.push(listener) };
}

const placeTaking = actionsThat(({ takesPlace }) => takesPlace);

function jobTable(journal: Journal) {
  const rows = new JournalledMap<JobRecord>(journal);
  const openRows = new JournalledMap<JobRecord>(journal);
  const steps = new JournalledMap<readonly { state: string; at: number }[]>(journal);
  const open = () => [...openRows.values()].sort((a, b) => byText(a.jobId, b.jobId));
  const put = (job: JobRecord) => {
    rows.set(job.jobId, job);
    if (isFinal(job.status)) openRows.delete(job.jobId);
    else openRows.set(job.jobId, job);
  };
  const table: JobTable = {
    get: (jobId) => rows.get(jobId),
    put,
    addStep: (jobId, state, at) => steps.set(jobId, [...(steps.get(jobId) ?? []), { state, at }]),
    steps: (jobId) => steps.get(jobId) ?? [],
    openOfBot: (key) => open().filter((job) => job.mutating && job.userId === key.userId && job.botId === key.botId),
    withStatus: (status) => open().filter((job) => job.status === status),
    anyWaits: () => open().some(({ status }) => status === 'waiting_for_worker'),
    sealedAfter: absent,
    overdue: (now) =>
      open()
        .filter(({ deadlineAt }) => deadlineAt <= now)
        .sort((a, b) => a.deadlineAt - b.deadlineAt),
    prune: absent,
    nextDeadline: () => {
      const times = open().map(({ deadlineAt }) => deadlineAt);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    newestId: () =>
      [...rows.values()]
        .map(({ jobId }) => jobId)
        .sort(byText)
        .at(-1),
    followClock: (stepMs) => {
      for (const job of open()) {
        const { createdAt, updatedAt, deadlineAt } = job;
        put({
          ...job,
          createdAt: createdAt + stepMs,
          updatedAt: updatedAt + stepMs,
          deadlineAt: deadlineAt + stepMs,
        });
      }
    },
    boundDeadlines: (now) => {
      for (const job of open()) {
        if (job.createdAt > now) put({ ...job, createdAt: now, deadlineAt: now + (job.deadlineAt - job.createdAt) });
      }
    },
  };
  const startingOf = (userId: string) =>
    open()
      .filter((job) => job.userId === userId && placeTaking.some((action) => action === job.action))
      .map(({ botId }) => botId);
  return { table, open, startingOf };
}

function taskTable(journal: Journal, openJobs: () => readonly JobRecord[]): TaskTable {
  const rows = new JournalledMap<TaskRecord>(journal);
  const all = () => [...rows.values()].sort((a, b) => byText(a.taskId, b.taskId));
  return {
    get: (taskId) => rows.get(taskId),
    oldestOpen: (types, except = []) =>
      all().find(
        ({ taskId, type, status, workerId }) =>
          status === 'open' && workerId === null && types.includes(type) && !except.includes(taskId),
      ),
    takenBy: (workerId) =>
      openJobs()
        .flatMap(({ taskId }) => (taskId === null ? [] : (rows.get(taskId) ?? [])))
        .filter((task) => task.status === 'accepted' && task.workerId === workerId)
        .sort((a, b) => byText(a.taskId, b.taskId)),
    put: (task) => rows.set(task.taskId, task),
    newestId: () => all().at(-1)?.taskId,
  };
}

function idempotencyTable(journal: Journal): IdempotencyTable {
  const rows = new JournalledMap<{ bodySha256: string; jobId: string }>(journal);
  return {
    get: (userId, key) => rows.get(`${userId} ${key}`),
    put: (userId, key, bodySha256, jobId) => rows.set(`${userId} ${key}`, { bodySha256, jobId }),
    prune: absent,
  };
}

/** Keeps the newest event of each bot and worker alone: nothing else of it is asked by the engine. */
function outboxTable(journal: Journal): OutboxTable {
  const newest = new JournalledMap<EventRecord>(journal);
  const counter = new JournalledMap<number>(journal);
  const lastSeq = () => counter.get('seq') ?? 0;
  return {
    add: (event) => {
      const added = { ...event, seq: lastSeq() + 1 };
      counter.set('seq', added.seq);
      if (event.body.kind === 'bot') newest.set(keyOf(event), added);
      return added;
    },
    latestOfBot: (bot) => newest.get(keyOf(bot)),
    lastBotSeq: (bot) => newest.get(keyOf(bot))?.botSeq ?? 0,
    lastSeq,
    after: absent,
    ofUserAfter: absent,
    lastOf: absent,
    latestOfBots: absent,
    latestOfWorkers: absent,
    place: absent,
    setPlace: absent,
    floor: absent,
    prune: absent,
  };
}

function workerTable(journal: Journal): WorkerTable {
  const rows = new JournalledMap<WorkerRecord>(journal);
  const marks = new JournalledMap<true>(journal);
  const set = (kind: string, workerId: string, is: boolean) => {
    if (is) marks.set(`${kind} ${workerId}`, true);
    else marks.delete(`${kind} ${workerId}`);
  };
  const is = (kind: string, workerId: string) => marks.get(`${kind} ${workerId}`) === true;
  return {
    get: (workerId) => rows.get(workerId),
    all: () =>
      [...rows.values()]
        .filter(({ workerId }) => !is('forgotten', workerId))
        .sort((a, b) => byText(a.workerId, b.workerId)),
    put: (worker) => {
      rows.set(worker.workerId, worker);
      set('forgotten', worker.workerId, false);
    },
    seen: absent,
    isForgotten: (workerId) => is('forgotten', workerId),
    forget: (workerId) => {
      if (rows.get(workerId) === undefined) return;
      set('forgotten', workerId, true);
      set('cordoned', workerId, false);
    },
    isCordoned: (workerId) => is('cordoned', workerId),
    setCordoned: (workerId, cordoned) => {
      if (rows.get(workerId) === undefined) return false;
      set('cordoned', workerId, cordoned);
      return true;
    },
    access: absent,
    allAccess: absent,
    putAccess: absent,
  };
}

function leftoverTable(journal: Journal): LeftoverTable {
  const rows = new JournalledMap<Leftover>(journal);
  const idOf = (leftover: Pick<Leftover, 'workerId' | 'userId' | 'botId'>) => `${leftover.workerId} ${keyOf(leftover)}`;
  const all = () => [...rows.values()].sort((a, b) => byText(idOf(a), idOf(b)));
  return {
    ofWorker: (workerId) => all().filter((one) => one.workerId === workerId),
    ofBot: (bot) => all().filter((one) => keyOf(one) === keyOf(bot)),
    withTask: (taskId) => all().find((one) => one.taskId === taskId),
    workersWith: (bot) =>
      new Set(
        all()
          .filter((one) => one.copy || keyOf(one) === keyOf(bot))
          .map(({ workerId }) => workerId),
      ),
    put: (leftover) => rows.set(idOf(leftover), leftover),
    remove: (leftover) => void rows.delete(idOf(leftover)),
  };
}

function botVolumeTable(journal: Journal): BotVolumeTable {
  const rows = new JournalledMap<{ key: string; workerId: string }>(journal);
  return {
    workersOf: (bot) =>
      [...rows.values()]
        .filter(({ key }) => key === keyOf(bot))
        .map(({ workerId }) => workerId)
        .sort(byText),
    put: (bot, workerId) => rows.set(`${keyOf(bot)} ${workerId}`, { key: keyOf(bot), workerId }),
    remove: (bot, workerId) => void rows.delete(`${keyOf(bot)} ${workerId}`),
    removeWorker: (workerId) => {
      for (const [id, row] of [...rows.entries()]) if (row.workerId === workerId) rows.delete(id);
    },
  };
}

/** Who has which artifact; the bytes are nothing to the engine. */
function artifactTable(journal: Journal): ArtifactTable {
  const owners = new JournalledMap<true>(journal);
  const rows = new JournalledMap<{ uploadId: string; sizeBytes: number }>(journal);
  return {
    own: (userId, sha256) => owners.set(`${userId} ${sha256}`, true),
    isOwnedBy: (userId, sha256) => owners.get(`${userId} ${sha256}`) === true,
    get: (sha256) => rows.get(sha256),
    finish: (uploadId, sha256, sizeBytes) => {
      if (rows.get(sha256) === undefined) rows.set(sha256, { uploadId, sizeBytes });
    },
    addBytes: () => undefined,
    touch: () => undefined,
    discardUnfinished: () => undefined,
    addChunk: absent,
    discardUpload: absent,
    page: absent,
    ownersOf: absent,
    setUnneeded: absent,
    remove: absent,
    removeChunks: absent,
    chunk: absent,
    chunkSize: absent,
  };
}

function telegramTokenTable(journal: Journal): TelegramTokenTable {
  const rows = new JournalledMap<BotKey>(journal);
  return {
    owner: (tokenKey) => rows.get(tokenKey),
    ofBot: (bot) =>
      [...rows.entries()].filter(([, owner]) => keyOf(owner) === keyOf(bot)).map(([tokenKey]) => tokenKey),
    put: (tokenKey, { userId, botId }) => {
      if (rows.get(tokenKey) !== undefined) throw new Error('the token has an owner');
      rows.set(tokenKey, { userId, botId });
    },
    remove: (tokenKey) => void rows.delete(tokenKey),
    withOtherKeys: (prefix) => [...rows.entries()].filter(([key]) => !key.startsWith(prefix)).map(([, owner]) => owner),
  };
}

interface SourceTokens {
  readonly sourceId: string;
  readonly revision: number;
  readonly key: string;
  readonly tokenKeys: readonly string[];
}

function sourceTokenTable(journal: Journal, onRemove: (listener: (key: BotKey) => void) => void): SourceTokenTable {
  const rows = new JournalledMap<SourceTokens>(journal);
  const idOf = ({ sourceId, revision }: Pick<SourceTokens, 'sourceId' | 'revision'>) => `${sourceId} ${revision}`;
  const drop = (is: (row: SourceTokens) => boolean) => {
    for (const row of [...rows.values()]) if (is(row)) rows.delete(idOf(row));
  };
  const newest = (sourceId: string, revision: number) =>
    [...rows.values()]
      .filter((row) => row.sourceId === sourceId && row.revision <= revision)
      .sort((a, b) => b.revision - a.revision)[0];
  onRemove((key) => drop((row) => row.key === keyOf(key)));
  return {
    of: (sourceId, revision) => newest(sourceId, revision)?.tokenKeys,
    put: (sourceId, revision, bot, tokenKeys) => {
      const key = rows.get(idOf({ sourceId, revision }))?.key ?? (bot === undefined ? '/' : keyOf(bot));
      rows.set(idOf({ sourceId, revision }), { sourceId, revision, key, tokenKeys });
    },
    settle: (sourceId, revision, bot) => {
      drop((row) => row.key === keyOf(bot) && (row.sourceId !== sourceId || row.revision > revision));
      const last = newest(sourceId, revision)?.revision ?? 0;
      drop((row) => row.key === keyOf(bot) && row.sourceId === sourceId && row.revision < last);
    },
  };
}
