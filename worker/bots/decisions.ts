/** Takes what was decided about a bot into its memory: what it should be, its spec and secrets, and that it failed. */
import type { Problem } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import { telegramTokensOf } from '#common/telegram-token.ts';
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import { passTime, wellAtMs } from '../diagnosis/diagnosis.ts';
import type { BotContext } from './bot-context.ts';
import { type BotMemory, factsOf, failureOf, mustRestart, nothingFailed, wantsStart } from './bot-memory.ts';
import { emptyKeptBot } from './bot-records.ts';
import { compareDecisions, type DesiredBot, isSameDecision } from './desired.ts';
import { readSpec } from './spec-plan.ts';
import { specSecrets } from './spec-secrets.ts';

/**
 * Whether this decision is older than one seen before. What the worker itself concluded from a bot's absence is no
 * decision that could outrank one, nor is the removal of another bot of the same name. `newTask`: somebody waits for it.
 */
export function isOutranked(memory: BotMemory, desired: DesiredBot, newTask: boolean): boolean {
  const before = memory.record.desired;
  if (before === undefined || before.kind === 'absent' || compareDecisions(desired, before) >= 0) return false;
  return !(newTask && isAnotherBot(memory, desired));
}

/**
 * Nothing is left of a bot whose removal is done: a start of its name that comes then is that of another bot, whose
 * decisions are counted from 1 again. Commands come in order, so it is none from before the removal.
 */
const isAnotherBot = ({ record, container, cleaned }: BotMemory, desired: DesiredBot): boolean =>
  record.desired?.kind === 'removed' && container === 'none' && cleaned && desired.kind === 'running';

/** `newTask`: somebody waits for this decision, so that what failed before is tried once more. */
export function setDesired(memory: BotMemory, desired: DesiredBot, newTask: boolean): void {
  if (isAnotherBot(memory, desired)) {
    memory.record = emptyKeptBot(memory.key);
    memory.imageReady = undefined;
    memory.secrets = undefined;
  }
  const { record } = memory;
  const before = record.desired;
  const isNew = !before || !isSameDecision(before, desired) || before.kind !== desired.kind;
  if (isNew) memory.cleaned = false;
  if (isNew || newTask) {
    memory.pausedUntilMs = undefined;
    memory.making = nothingFailed;
  }
  // Counting continues from a lower number when the orchestrator started over.
  const startedGeneration = before && compareDecisions(desired, before) < 0 ? 0n : record.startedGeneration;
  const failure = newTask ? undefined : record.failure;
  const same =
    !isNew &&
    before.revision === desired.revision &&
    before.stopGraceMs === desired.stopGraceMs &&
    isSameMoment(before.decided, desired.decided) &&
    (before.restart === true || desired.restart !== true) &&
    (before.claimTokens === true || desired.claimTokens !== true);
  if (same && failure === record.failure) return;
  memory.record = { ...record, desired: same ? before : desired, failure, startedGeneration };
}

const isSameMoment = (a: DesiredBot['decided'], b: DesiredBot['decided']): boolean =>
  a?.opening === b?.opening && a?.seq === b?.seq;

/**
 * Whether the decision goes back to a previous version, because the newer one did not stay up or could not be made: it is about an
 * older revision, of the same placement.
 */
export const goesBack = ({ record: { desired: before } }: BotMemory, desired: DesiredBot): boolean =>
  before?.kind === 'running' &&
  desired.kind === 'running' &&
  before.epoch === desired.epoch &&
  compareDecisions(desired, before) >= 0 &&
  desired.revision < before.revision;

/** The desired state cannot be reached; nothing more is tried until something new is decided. */
export function recordFailure(memory: BotMemory, problem: Problem): void {
  const { desired } = memory.record;
  if (desired?.kind !== 'running' || failureOf(memory.record)) return;
  const { epoch, generation, revision } = desired;
  memory.record = { ...memory.record, failure: { epoch, generation, revision, problem } };
}

/** A decision that finds its bot running already is fulfilled. */
export function noteRunning(memory: BotMemory): void {
  const { record, watch, stale } = memory;
  const { desired } = record;
  const facts = factsOf(memory);
  if (desired?.kind !== 'running' || facts?.status !== 'running' || facts.revision !== desired.revision) return;
  if (stale || watch !== undefined || !wantsStart(record, desired) || mustRestart(record)) return;
  memory.record = { ...record, startedGeneration: desired.generation, endedForRestart: undefined };
}

/** Ages what the log of a running bot said; what is reported from now on is also what is kept. */
export function noteDiagnosis(memory: BotMemory, nowMs: number): void {
  const { diagnosis, record } = memory;
  if (factsOf(memory)?.status === 'running') passTime(diagnosis, nowMs);
  else if (record.desired !== undefined && record.desired.kind !== 'running') diagnosis.text = undefined;
  if (record.diagnosis !== diagnosis.text) memory.record = { ...record, diagnosis: diagnosis.text };
}

/** When that has to be asked again. */
export const diagnosisUntilMs = (memory: BotMemory): number =>
  (factsOf(memory)?.status === 'running' ? wellAtMs(memory.diagnosis) : undefined) ?? Number.POSITIVE_INFINITY;

/** The Telegram tokens with which the spec that is known of a revision runs. */
function tokensIn({ spec }: BotMemory, revision: bigint): string | undefined {
  return spec?.revision === revision && spec.value.ok
    ? telegramTokensOf(spec.value.value.env.reveal()).join()
    : undefined;
}

export function learnSpec(memory: BotMemory, context: BotContext, revision: bigint, message: BotSpec): void {
  const { defaults, operatorSecrets, log } = context;
  const value = readSpec(message, defaults);
  // A stopped bot may have got another token under its revision: it is asked about, and its source searched, as for a new image.
  if (tokensIn(memory, revision) !== telegramTokensOf(message.env).join()) memory.imageReady = undefined;
  memory.spec = { revision, value };
  const found = [...specSecrets(message, defaults.env), ...operatorSecrets];
  const before = memory.secrets?.reveal() ?? [];
  // Those of an older version, or of what a restart replaces, stay masked as long as its container may still print them.
  const isRunningOne = factsOf(memory)?.revision === revision && !mustRestart(memory.record);
  const secrets = [...new Set([...(isRunningOne ? [] : before), ...found])];
  if (memory.secrets === undefined || secrets.join('\0') !== before.join('\0')) {
    memory.secrets = new Secret(secrets);
    memory.record = { ...memory.record, sealedSecrets: context.sealFor(memory.key, JSON.stringify(secrets)) };
    log.setSecrets(secrets);
  }
  if (!value.ok) recordFailure(memory, value.problem);
}

/** Lets the output of an adopted container be masked before there is word from the orchestrator. */
export function recallSecrets(memory: BotMemory, context: BotContext): void {
  const { sealedSecrets } = memory.record;
  const text = sealedSecrets === undefined ? undefined : context.openFor(memory.key, sealedSecrets);
  if (text === undefined) return;
  // Only learnSpec seals, and GCM vouches that nobody changed it.
  const secrets = JSON.parse(text) as string[];
  memory.secrets = new Secret(secrets);
  context.log.setSecrets(secrets);
}
