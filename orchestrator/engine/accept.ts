/** Accepts a new job: the checks that need the store, the rows, and the job's turn. All in the caller's transaction. */
import { labelsText } from '#common/labels.ts';
import { ProblemError, problem, refuse, unwrap } from '#common/problem.ts';
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import { rowOf } from '../core/actions.ts';
import { newBot } from '../core/bot/decided.ts';
import { newJob, storedBytes } from '../core/job.ts';
import type { JobInput } from '../core/job-params.ts';
import { noRoom } from '../core/no-room.ts';
import { anyCarries } from '../core/placement.ts';
import { checkJobBytes, checkKeptBots, checkQuota, mayRun } from '../core/quota.ts';
import type { BotRecord, JobRecord } from '../core/records.ts';
import { takesOver } from '../core/takeover.ts';
import { userLimitsOf } from '../core/user-limits.ts';
import { startsRefused } from '../safety/starts-refused.ts';
import type { Reading } from '../store/tables.ts';
import { advance, queue } from './advance.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { activeBots, deletedWithData, roomForSource } from './read.ts';
import { putSearched, type SearchedSource, warningsAbout } from './source-findings.ts';
import { neverStarted, openSoundSpec, openSpec, sealSpec } from './specs.ts';
import { refusedToken, silentHolder, tokenHolders } from './token-ownership.ts';
import { wantedSpec } from './wanted-spec.ts';

/** A request that passed its validator: what the doors hand to the engine. */
export interface NewJob {
  readonly userId: string;
  readonly blueprint: string;
  /** Empty for list and for jobs that are about no bot. */
  readonly botId: string;
  readonly input: JobInput;
  /** For start and update. */
  readonly spec?: { readonly spec: BotSpec; readonly mode: string; readonly artifactSha256: string };
  /** An artifact that came with the request; stored with the job, in one commit. */
  readonly artifact?: {
    readonly sha256: string;
    readonly sizeBytes: number;
    /** Its chunks, sealed. */
    readonly upload: { readonly uploadId: string; readonly chunks: readonly Uint8Array[] };
    readonly searched: SearchedSource;
  };
  /**
   * A stop of a bot that is not there becomes a job that fails, instead of being refused: the original's command line stops
   * before it updates, continues after a stop that failed, and ends at any refusal.
   */
  readonly absentFails?: boolean;
  readonly idempotency?: { readonly key: string; readonly bodySha256: string };
}

/** Accepts a job, or returns the one that the same Idempotency-Key made before. Throws ProblemError. */
export const acceptOnce = (context: EngineContext, change: Change, request: NewJob): JobRecord =>
  repeatedJob(change.tx, request) ?? acceptJob(context, change, request);

/** Ends a job early; a job that is final stays as it is. Returns it as it is now. Throws JOB_NOT_FOUND. */
export function cancelJob(context: EngineContext, change: Change, userId: string, jobId: string): JobRecord {
  const job = jobOf(change.tx, userId, jobId);
  const reason = problem('CANCELLED', 'The job was cancelled by its user.');
  return advance(context, change, job, { kind: 'aborted', problem: reason });
}

/** A job of the user. Throws JOB_NOT_FOUND. */
export function jobOf(tx: Reading, userId: string, jobId: string): JobRecord {
  const job = tx.jobs.get(jobId);
  if (job === undefined || job.userId !== userId) refuse('JOB_NOT_FOUND', 'There is no such job.');
  return job;
}

/** The job that the same Idempotency-Key made before. */
function repeatedJob(tx: Reading, { userId, idempotency }: NewJob): JobRecord | undefined {
  if (idempotency === undefined) return undefined;
  const found = tx.idempotency.get(userId, idempotency.key);
  if (found === undefined) return undefined;
  if (found.bodySha256 !== idempotency.bodySha256) {
    refuse('IDEMPOTENCY_CONFLICT', 'This Idempotency-Key was used before with another request.');
  }
  return tx.jobs.get(found.jobId);
}

/** Checks what depends on the store and writes the job; throws ProblemError and changes nothing when it refuses. */
export function acceptJob(context: EngineContext, change: Change, request: NewJob): JobRecord {
  const { settings, sealKey } = context;
  const { userId, blueprint, botId, spec, idempotency } = request;
  const key = { userId, botId };
  if (!context.hasRoom() && takesSpace(request)) throw noRoom();
  const existing = botIfAllowed(context, change.tx, request);
  checkSafety(context, request, existing);
  takeArtifact(context, change, request);
  const wanted = wantedNow(context, change.tx, request, existing);
  if (wanted !== undefined) checkTokens(context, change.tx, request, wanted);
  const jobId = change.newId();
  if (existing === undefined && spec !== undefined) {
    const { defaultMemoryBytes: memoryBytes, defaultCpuMillis: cpuMillis } = settings;
    change.putBot(newBot(key, { mode: spec.mode, memoryBytes, cpuMillis }, change.now));
  }
  // What is left of a deleted bot is removed by a delete like any other, of a bot that is nowhere.
  if (existing === undefined && purgesKept(change.tx, request)) {
    change.keepBot(newBot(key, { mode: '', memoryBytes: 0, cpuMillis: 0 }, change.now));
  }
  const specSealed = spec === undefined ? null : sealSpec(sealKey, key, spec.spec);
  const state = context.blueprints.get(blueprint)?.initialState ?? 'init';
  const asked = newJob(
    { jobId, userId, blueprint, botId, input: warned(context, change.tx, request), specSealed },
    state,
    settings,
    change.now,
    longerStopMs(context, request, existing),
  );
  const { jobBytes, endingJobBytes } = userLimitsOf(settings, userId);
  const jobBytesMax = rowOf(asked.action).endsOthers ? jobBytes + endingJobBytes : jobBytes;
  unwrap(checkJobBytes(change.tx.jobs.openBytesOf(userId), storedBytes(asked), jobBytesMax));
  const job = change.addJob(asked);
  if (idempotency !== undefined) {
    change.tx.idempotency.put(userId, idempotency.key, idempotency.bodySha256, jobId, change.now);
  }
  if (mayBeAbsent(request) && (existing === undefined || existing.desired === 'removed')) {
    return advance(context, change, job, { kind: 'aborted', problem: noSuchBot(botId) });
  }
  return begin(context, change, job);
}

/** What the bot asked for beyond the usual time to end. */
function longerStopMs({ sealKey, settings }: EngineContext, { input }: NewJob, bot: BotRecord | undefined): number {
  if (rowOf(input.action).reads !== null) return 0;
  const spec = bot && openSoundSpec(sealKey, bot, bot.specSealed);
  return Math.max(0, (spec?.limits?.stopGraceMs ?? 0) - settings.stopGraceMs);
}

/** Whether it stores more than a job and what becomes of it. On a full disk the rest finds room in the store's reserve. */
const takesSpace = ({ input, artifact }: NewJob): boolean => rowOf(input.action).replaces || artifact !== undefined;

/** Refuses what acceptJob would refuse whatever the artifact holds, so that nobody uploads it for nothing. Writes nothing. */
export function checkRequest(context: EngineContext, tx: Reading, request: NewJob): void {
  if (!context.hasRoom()) throw noRoom();
  const existing = botIfAllowed(context, tx, request);
  checkSafety(context, request, existing);
  const wanted = wantedNow(context, tx, request, existing);
  if (wanted !== undefined) checkTokens(context, tx, request, wanted);
}

/**
 * Refuses what needs a new container when nobody may make one: the orchestrator lets nobody, or no worker that is connected would. Where
 * some would, the job waits for one of them.
 */
function checkSafety({ fleet }: EngineContext, { input, spec }: NewJob, bot: BotRecord | undefined): void {
  const runs = bot !== undefined && mayRun(bot);
  const needsContainer =
    input.action === 'configure' ? runs : spec !== undefined || (input.action === 'restart' && !runs);
  if (!needsContainer) return;
  const home = typeof bot?.workerId === 'string' ? fleet.liveOne(bot.workerId) : undefined;
  const workers = home === undefined ? fleet.live() : [home];
  const isRefused = workers.length > 0 && workers.every((worker) => worker.startsRefused);
  if (fleet.startsRefused() || isRefused) throw new ProblemError(startsRefused());
}

/** Stores the artifact that came with the request, or makes sure that the one it names is there. */
function takeArtifact({ sealKey, settings }: EngineContext, change: Change, { userId, spec, artifact }: NewJob): void {
  const { artifacts } = change.tx;
  if (artifact !== undefined) {
    const { sha256, sizeBytes, upload, searched } = artifact;
    if (!artifacts.isOwnedBy(userId, sha256)) unwrap(roomForSource(settings, change.tx, userId, sizeBytes));
    if (artifacts.get(sha256) === undefined) {
      for (const [n, chunk] of upload.chunks.entries()) artifacts.addChunk(upload.uploadId, n, chunk);
      artifacts.finish(upload.uploadId, sha256, sizeBytes, change.now);
    }
    artifacts.own(userId, sha256, change.now);
    putSearched(sealKey, change.tx, sha256, searched);
  }
  // Empty for a source that the worker fetches.
  const named = spec?.artifactSha256 ?? '';
  if (named === '') return;
  if (!artifacts.isOwnedBy(userId, named)) refuse('ARTIFACT_NOT_FOUND', 'There is no artifact with that sha256.');
  artifacts.touch(userId, named);
}

/** With what the user should know of the source; that of one that a worker fetches is looked at there. */
function warned({ sealKey }: EngineContext, tx: Reading, { input, spec }: NewJob): JobInput {
  const sha256 = spec?.artifactSha256 ?? '';
  if (sha256 === '' || (input.action !== 'start' && input.action !== 'update')) return input;
  return { ...input, params: { ...input.params, warnings: warningsAbout(sealKey, tx, sha256) } };
}

/** The bot that the request is about, if there is one. Refuses a bot that must exist and does not, and one too many. */
function botIfAllowed(context: EngineContext, tx: Reading, request: NewJob): BotRecord | undefined {
  const { userId, botId, input } = request;
  const row = rowOf(input.action);
  const existing = botId === '' ? undefined : tx.bots.get({ userId, botId });
  const alive = existing !== undefined && existing.desired !== 'removed';
  const mayBeGone = mayBeAbsent(request) || (existing === undefined && purgesKept(tx, request));
  if (row.needs !== 'nothing' && !alive && !mayBeGone) throw new ProblemError(noSuchBot(botId));
  if (row.needs === 'spec' && existing?.specSealed === null) throw new ProblemError(neverStarted(botId));
  // One that has its place already does not need another: its user's other bots need not be counted.
  if (row.takesPlace && !(existing !== undefined && mayRun(existing))) {
    const limits = userLimitsOf(context.settings, userId);
    unwrap(checkQuota(activeBots(tx, userId), botId, limits.bots));
    const deleted = () => deletedWithData(tx, userId);
    if (!alive) unwrap(checkKeptBots(tx.bots.keptOf(userId), deleted, botId, limits.keptBots));
  }
  return existing;
}

/** Whether it asks for the data of a deleted bot to be removed, and there may be some. */
const purgesKept = (tx: Reading, { userId, botId, input }: NewJob): boolean =>
  input.action === 'delete' && input.params.purge && tx.botVolumes.workersOf({ userId, botId }).length > 0;

const mayBeAbsent = ({ input, absentFails }: NewJob): boolean => input.action === 'stop' && absentFails === true;

const noSuchBot = (botId: string) => problem('BOT_NOT_FOUND', `There is no bot named ${botId}.`);

/** The spec that the job would make its bot run, if it would, as far as it can be determined before its turn. */
function wantedNow(
  context: EngineContext,
  tx: Reading,
  { input, spec }: NewJob,
  bot: BotRecord | undefined,
): BotSpec | undefined {
  if (spec === undefined) {
    return rowOf(input.action).deploys && bot?.specSealed ? openSpec(context.sealKey, bot, bot.specSealed) : undefined;
  }
  const merged = wantedSpec(context, bot, input, spec.spec);
  // An earlier job may still make room for it.
  const isEarly = !merged.ok && bot !== undefined && tx.jobs.openOfBot(bot).length > 0;
  const wanted = isEarly ? spec.spec : unwrap(merged);
  refuseUnknownLabels(tx, wanted);
  // One that does not run takes no token.
  return input.action === 'configure' && !(bot !== undefined && mayRun(bot)) ? undefined : wanted;
}

/** A worker that is away may come back; for an unknown one a bot would wait forever. */
function refuseUnknownLabels(tx: Reading, { on }: BotSpec): void {
  const known = tx.workers.all();
  if (anyCarries(known, on)) return;
  const there = [
    ...new Set(
      known.flatMap(({ labels }) => Object.keys(labels).map((key) => labelsText({ [key]: labels[key] ?? '' }))),
    ),
  ];
  refuse('NO_WORKER', `No known worker has ${labelsText(on)}.`, {
    details: { field: 'on', labels: on },
    hint:
      there.length === 0
        ? `Leave "on" out, or ask the operator for a worker with WORKER_LABELS=${Object.entries(on)
            .map((pair) => pair.join('='))
            .join(',')}.`
        : `Workers have: ${there.sort().slice(0, labelsShown).join(', ')}.`,
    example: { blueprint: 'bot_runner', data: { action: 'list' } },
  });
}

const labelsShown = 8;

/** Refuses a start whose Telegram token another bot has, unless it takes it over from bots that can be stopped. */
function checkTokens(context: EngineContext, tx: Reading, request: NewJob, spec: BotSpec): void {
  const holders = tokenHolders(context, tx, request, spec);
  if (holders.length === 0) return;
  if (takesOver(request.input) && silentHolder(context, tx, holders) === undefined) return;
  throw new ProblemError(refusedToken(context, tx, request.userId, holders));
}

/** Gives the job its turn, if it has come. Returns the resulting job, which the caller shows to people. */
function begin(context: EngineContext, change: Change, job: JobRecord): JobRecord {
  if (!job.mutating) advance(context, change, job, { kind: 'begin' });
  else {
    if (rowOf(job.action).endsOthers) endOthers(context, change, job);
    queue(context, change, job);
  }
  return change.tx.jobs.get(job.jobId) ?? job;
}

function endOthers(context: EngineContext, change: Change, job: JobRecord): void {
  const reason = problem('CANCELLED', `A later ${job.action} of the bot ended this job.`);
  // Newest first, so that none of them gets its turn when the one before it ends.
  for (const other of change.tx.jobs.openOfBot(job).toReversed()) {
    if (other.jobId !== job.jobId && other.action !== job.action) {
      advance(context, change, other, { kind: 'aborted', problem: reason });
    }
  }
}
