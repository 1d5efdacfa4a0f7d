/** The making of an image beside the actor's steps: begun, cancelled, and its end taken into the memory. */
import { type Problem, ProblemError, problem, unwrap } from '#common/problem.ts';
import { telegramTokensOf } from '#common/telegram-token.ts';
import { withTimeLimit } from '#common/waiting/time-limit.ts';
import { awaitTokens } from '../diagnosis/source-tokens.ts';
import { explainTransient, isTransient, retryPauseMs, TransientProblemError } from '../failures/transient.ts';
import { entryToProto, LogStream } from '../logs/log-entry.ts';
import type { ActiveTask } from './active-task.ts';
import type { BotContext } from './bot-context.ts';
import { type BotMemory, nothingFailed, runnableSpec } from './bot-memory.ts';
import type { KeptBot } from './bot-records.ts';
import { createBuildOutput } from './build-output.ts';
import { type PreparationPhase, type PreparedImage, prepareImage } from './image-preparation.ts';
import { imageDigest, imageNameOf, type RunnableSpec } from './spec-plan.ts';

// For images that are made again without a task, which brings its own deadline.
const prepareLimitMs = 20 * 60_000;
const imageLookLimitMs = 15_000;

/** How it ended: ready, failed for good, transient failure (noted in the memory), or not wanted any more. */
export type PreparationEnd =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly problem: Problem }
  | { readonly kind: 'again' }
  | { readonly kind: 'cancelled' };

export interface PreparingHooks {
  /** The task that gets the output. */
  task(): ActiveTask | undefined;
  /** The phase has changed. */
  wake(): void;
  /** Resolves when nothing else is done to images of the bot: a removal could not tell a build's layers from old ones. */
  untilQuiet(): Promise<void>;
}

/** Begins to make the image of what should run now. Never rejects; `memory.preparing` is set until it resolves. */
export function beginPreparing(memory: BotMemory, context: BotContext, hooks: PreparingHooks): Promise<PreparationEnd> {
  const { desired } = memory.record;
  const spec = runnableSpec(memory);
  if (!desired || !spec) throw new Error('prepare without a spec');
  const { revision } = desired;
  const mine = { revision, phase: 'checking' as PreparationPhase, abort: new AbortController() };
  memory.preparing = mine;
  const { signal } = mine.abort;
  const made = async () => {
    const image = await make(memory, context, revision, spec, signal, hooks);
    if (desired.claimTokens) {
      mine.phase = 'tokens';
      hooks.wake();
      const claim = { key: memory.key, epoch: desired.epoch, revision, tokenSha256s: [] };
      await awaitTokens(claim, context.tokenClaims, context.clock, signal);
      if (memory.preparing === mine) memory.tokensGranted = { epoch: desired.epoch, generation: desired.generation };
    }
    return image;
  };
  return made().then(
    ({ pinned, ownModules }): PreparationEnd => {
      if (memory.preparing !== mine) return { kind: 'cancelled' };
      memory.preparing = undefined;
      memory.making = nothingFailed;
      memory.imageReady = revision;
      const { image, formerImage } = memory.record;
      memory.record = {
        ...memory.record,
        image: { ...madeFor(revision, spec), pinned, ownModules },
        formerImage: image?.revision === revision ? formerImage : image,
      };
      return { kind: 'ready' };
    },
    (error: unknown): PreparationEnd => {
      if (memory.preparing !== mine) return { kind: 'cancelled' };
      memory.preparing = undefined;
      if (error instanceof ProblemError && !isTransient(error))
        return { kind: 'failed', problem: context.log.maskProblem(error.problem) };
      if (!isTransient(error)) {
        context.logger.error({ err: error, bot: memory.key }, 'making an image failed unexpectedly');
        return {
          kind: 'failed',
          problem: problem('INTERNAL', "The worker failed while it was preparing the bot's image."),
        };
      }
      const failures = memory.making.failures + 1;
      const { problem: last, triesMax } = error instanceof TransientProblemError ? error : withoutLimit;
      const masked = last && context.log.maskProblem(last);
      if (masked !== undefined && failures >= triesMax) return { kind: 'failed', problem: masked };
      const againAtMs = context.clock.monotonicMs() + retryPauseMs(failures, context.random());
      memory.making = { failures, trouble: explainTransient(error), problem: masked, againAtMs };
      return { kind: 'again' };
    },
  );
}

const withoutLimit = { problem: undefined, triesMax: Number.POSITIVE_INFINITY };

/** What is under way is aborted, and its outcome no longer counts. */
export function cancelPreparing(memory: BotMemory): void {
  const { preparing } = memory;
  memory.preparing = undefined;
  preparing?.abort.abort(new Error('the image is no longer needed'));
}

async function make(
  memory: BotMemory,
  context: BotContext,
  revision: bigint,
  spec: RunnableSpec,
  signal: AbortSignal,
  hooks: PreparingHooks,
): Promise<PreparedImage> {
  const { clock, log, workerId } = context;
  await askBefore(context, spec, hooks, signal);
  await hooks.untilQuiet();
  signal.throwIfAborted();
  const there = await findImage(memory, context, revision, spec, signal);
  if (there !== undefined) return { pinned: there.pinned ?? '', ownModules: there.ownModules };
  const output = createBuildOutput(clock, async (lines) => {
    const { storeId, entries } = await log.write(LogStream.BUILD, lines);
    hooks.task()?.output(entries.map((entry) => entryToProto(storeId, entry)));
  });
  try {
    return await withTimeLimit(clock, 'making the image', prepareLimitMs, signal, (limited) =>
      prepareImage(
        context,
        {
          key: memory.key,
          workerId,
          epoch: memory.record.desired?.epoch ?? 0n,
          revision,
          spec,
          onPhase(phase) {
            if (memory.preparing?.revision !== revision) return;
            memory.preparing.phase = phase;
            hooks.wake();
          },
          onOutput: (line) => output.add(line),
          async onWarnings(warnings) {
            const { storeId, entries } = await log.write(LogStream.SYSTEM, warnings);
            hooks.task()?.warn(
              warnings,
              entries.map((entry) => entryToProto(storeId, entry)),
            );
          },
        },
        limited,
      ),
    );
  } finally {
    await output.close();
  }
}

/**
 * The preflight of a start that somebody waits for, before anything is built; what is only made again was started before.
 * Throws ProblemError.
 */
async function askBefore(
  context: BotContext,
  spec: RunnableSpec,
  hooks: PreparingHooks,
  signal: AbortSignal,
): Promise<void> {
  if (hooks.task() === undefined) return;
  const warnings = unwrap(await context.preflight.check(spec.env.reveal(), signal));
  if (warnings.length > 0) await tellUser(warnings, context, hooks);
}

/** Lines of the platform in the bot's log, and where its start is watched. */
async function tellUser(lines: readonly string[], { log }: BotContext, hooks: PreparingHooks): Promise<void> {
  const { storeId, entries } = await log.write(LogStream.SYSTEM, lines);
  hooks.task()?.output(entries.map((entry) => entryToProto(storeId, entry)));
}

/** What is kept of the image. */
const madeFor = (revision: bigint, spec: RunnableSpec) => ({
  revision,
  ...(spec.imageRevision === undefined ? {} : { of: spec.imageRevision }),
  digest: imageDigest(spec),
  ...(isFetched(spec) && hasToken(spec) ? { unsearched: true } : {}),
});

const isFetched = ({ source }: RunnableSpec): boolean => source.mode === 'custom' && source.from.kind !== 'artifact';
const hasToken = ({ env }: RunnableSpec): boolean => telegramTokensOf(env.reveal()).length > 0;

/** An image of the right name counts only if this worker made it from the same source; undefined when there is none. */
async function findImage(
  { key, record }: BotMemory,
  { runtime, clock }: BotContext,
  revision: bigint,
  spec: RunnableSpec,
  signal: AbortSignal,
): Promise<KeptBot['image']> {
  const { imageRevision = revision } = spec;
  const { image: last, formerImage } = record;
  const image = [last, formerImage].find((made) => made !== undefined && (made.of ?? made.revision) === imageRevision);
  if (image === undefined || image.digest !== imageDigest(spec)) return undefined;
  // A token in the source counts once the environment has none: the source has to be searched for it.
  if (image.unsearched === true && !hasToken(spec)) return undefined;
  const name = spec.source.mode === 'image' ? image.pinned : imageNameOf(key, revision, spec);
  if (!name) return undefined;
  const isThere = await withTimeLimit(clock, 'looking for the image', imageLookLimitMs, signal, (limited) =>
    runtime.hasImage(name, limited),
  );
  return isThere ? image : undefined;
}
