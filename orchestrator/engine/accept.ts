/** Takes a new job in: the checks that need the store, the rows, and the job's turn. All in the caller's transaction. */
import { labelsText } from '#common/labels.ts';
import { ProblemError, problem, refuse, unwrap } from '#common/problem.ts';
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import { changesBot, rowOf } from '../core/actions.ts';
import { freshAge } from '../core/max-runtime.ts';
import { anyCarries } from '../core/placement.ts';
import { checkQuota, mayRun } from '../core/quota.ts';
import type { BotRecord, JobRecord } from '../core/records.ts';
import { takesOver } from '../core/takeover.ts';
import type { Tables } from '../store/store.ts';
import { advance, beginNext } from './advance.ts';
import { storeArtifact } from './artifacts.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { deadlineMs } from './deadlines.ts';
import type { NewJob } from './new-job.ts';
import { activeBots } from './read.ts';
import { openSpec, sealSpec } from './specs.ts';
import { refusedToken, silentHolder, tokenHolders } from './token-ownership.ts';
import { wantedSpec } from './wanted-spec.ts';

/** The job that the same Idempotency-Key made before. */
export function repeatedJob(tx: Tables, { userId, idempotency }: NewJob): JobRecord | undefined {
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
  const { settings, sealKey, newId } = context;
  const { userId, botId, input, spec } = request;
  const key = { userId, botId };
  const existing = botIfAllowed(context, change.tx, request);
  if (request.artifact !== undefined) storeArtifact(context, change, userId, newId(), request.artifact);
  // Empty for a source that the worker fetches.
  const artifact = spec?.artifactSha256 ?? '';
  if (artifact !== '' && !change.tx.artifacts.isOwnedBy(userId, artifact)) {
    refuse('ARTIFACT_NOT_FOUND', 'There is no artifact with that sha256.');
  }
  if (artifact !== '') change.tx.artifacts.touch(artifact);
  const wanted = wantedNow(context, change.tx, request, existing);
  if (wanted !== undefined) checkTokens(context, change.tx, request, wanted);
  const jobId = newId();
  if (existing === undefined && spec !== undefined) change.putBot(newBot(context, key, spec.mode, change.now));
  const job = change.putJob({
    jobId,
    userId,
    blueprint: request.blueprint,
    ...input,
    botId,
    mutating: changesBot(input.action),
    state: context.blueprints.get(request.blueprint)?.initialState ?? 'init',
    status: 'pending',
    reason: '',
    specSealed: spec === undefined ? null : sealSpec(sealKey, key, spec.spec),
    result: null,
    error: null,
    taskId: null,
    createdAt: change.now,
    updatedAt: change.now,
    deadlineAt: change.now + deadlineMs(settings, input.action),
  });
  change.tx.jobs.addStep(jobId, job.state, change.now);
  if (request.idempotency !== undefined) {
    change.tx.idempotency.put(userId, request.idempotency.key, request.idempotency.bodySha256, jobId, change.now);
  }
  if (mayBeAbsent(request) && (existing === undefined || existing.desired === 'removed')) {
    return advance(context, change, job, { kind: 'aborted', problem: noSuchBot(botId) });
  }
  begin(context, change, job);
  // What its turn has made of it: the caller shows it to people.
  return change.tx.jobs.get(jobId) ?? job;
}

/** Refuses what acceptJob would refuse whatever the artifact holds, so that nobody uploads it in vain. Writes nothing. */
export function checkRequest(context: EngineContext, tx: Tables, request: NewJob): void {
  const wanted = wantedNow(context, tx, request, botIfAllowed(context, tx, request));
  if (wanted !== undefined) checkTokens(context, tx, request, wanted);
}

/** The bot that the request is about, if there is one. Refuses a bot that must be there and is not, and one too many. */
function botIfAllowed(context: EngineContext, tx: Tables, request: NewJob): BotRecord | undefined {
  const { userId, botId, input } = request;
  const existing = botId === '' ? undefined : tx.bots.get({ userId, botId });
  const alive = existing !== undefined && existing.desired !== 'removed';
  const row = rowOf(input.action);
  if (row.needs !== 'nothing' && !alive && !mayBeAbsent(request)) {
    throw new ProblemError(noSuchBot(botId));
  }
  if (row.needs === 'spec' && existing?.specSealed === null) {
    refuse('BOT_NOT_FOUND', `The bot ${botId} has never been started successfully.`, {
      hint: 'Give it code with the action "start".',
    });
  }
  // One that has its place already does not need another: its user's other bots need not be counted.
  if (row.takesPlace && !(existing !== undefined && mayRun(existing))) {
    const quota = checkQuota(activeBots(tx, userId), botId, context.settings.maxBotsPerUser);
    if (!quota.ok) throw new ProblemError(quota.problem);
  }
  return existing;
}

const mayBeAbsent = ({ input, absentFails }: NewJob): boolean => input.action === 'stop' && absentFails === true;

const noSuchBot = (botId: string) => problem('BOT_NOT_FOUND', `There is no bot named ${botId}.`);

/** The spec that the job would make its bot run, as far as can be told before its turn. */
function wantedNow(
  context: EngineContext,
  tx: Tables,
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
  return wanted;
}

/** A worker that is away may come back; for one that nobody knows a bot would wait in vain. */
function refuseUnknownLabels(tx: Tables, { on }: BotSpec): void {
  const known = tx.workers.all();
  if (anyCarries(known, on)) return;
  const there = [
    ...new Set(
      known.flatMap(({ labels }) => Object.keys(labels).map((key) => labelsText({ [key]: labels[key] ?? '' }))),
    ),
  ];
  refuse('NO_WORKER', `No worker that is known here has ${labelsText(on)}.`, {
    details: { field: 'on', labels: on },
    hint:
      there.length === 0
        ? `Start a worker with WORKER_LABELS=${Object.entries(on)
            .map((pair) => pair.join('='))
            .join(',')}.`
        : `Workers have: ${there.sort().slice(0, labelsShown).join(', ')}.`,
    example: { blueprint: 'bot_runner', data: { action: 'list' } },
  });
}

const labelsShown = 8;

/** Refuses a start whose Telegram token another bot has, unless it takes it over from bots that can be stopped. */
function checkTokens(context: EngineContext, tx: Tables, request: NewJob, spec: BotSpec): void {
  const holders = tokenHolders(context, tx, request, spec);
  if (holders.length === 0) return;
  if (takesOver(request.input) && silentHolder(context, tx, holders) === undefined) return;
  throw new ProblemError(refusedToken(context, tx, request.userId, holders));
}

/** A bot that has been asked for and has not begun. */
function newBot(context: EngineContext, key: { userId: string; botId: string }, mode: string, now: number): BotRecord {
  const { settings } = context;
  return {
    ...key,
    mode,
    desired: 'stopped',
    generation: 0,
    revision: 0,
    epoch: 0,
    workerId: null,
    leaving: false,
    memoryBytes: settings.defaultMemoryBytes,
    cpuMillis: settings.defaultCpuMillis,
    specSealed: null,
    purge: false,
    undo: null,
    pendingTask: null,
    state: 'pending',
    observed: {},
    observedAt: null,
    ...freshAge(now, 0),
    eventSeq: 0,
    decidedSeq: 0,
    createdAt: now,
    updatedAt: now,
  };
}

/** Gives the job its turn, if it is. */
function begin(context: EngineContext, change: Change, job: JobRecord): void {
  if (!job.mutating) {
    advance(context, change, job, { kind: 'begin' });
    return;
  }
  if (rowOf(job.action).endsOthers) {
    const reason = problem('CANCELLED', `A later ${job.action} of the bot ended this job.`);
    // Newest first, so that none of them gets its turn when the one before it ends.
    for (const other of change.tx.jobs.openOfBot(job).toReversed()) {
      if (other.jobId !== job.jobId && other.action !== job.action) {
        advance(context, change, other, { kind: 'aborted', problem: reason });
      }
    }
  }
  beginNext(context, change, job);
  const now = change.tx.jobs.get(job.jobId);
  if (now?.status === 'pending' && now.reason === '') {
    change.putJob({ ...now, reason: 'waiting for an earlier job of the same bot' });
  }
}
