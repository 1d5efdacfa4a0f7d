/** Takes one step, and decides what a failed one means: tried again, given up, or another crash. */
import { inBackground } from '#common/background.ts';
import { ProblemError, problem } from '#common/problem.ts';
import { explainTransient, isTransient, pauseAfterFailures } from '../failures/transient.ts';
import type { ActiveTask } from './active-task.ts';
import type { BotContext } from './bot-context.ts';
import { type BotMemory, factsOf } from './bot-memory.ts';
import { cleanUp } from './cleaning.ts';
import * as container from './container-steps.ts';
import type { ConvergeStep } from './converge.ts';
import { recordFailure } from './decisions.ts';
import { beginPreparing, cancelPreparing } from './preparing.ts';
import { settleEnd, settleRefusedStart } from './run-ends.ts';

export type WorkStep = Exclude<ConvergeStep, { readonly kind: 'rest' }>;

export interface StepHooks {
  task(): ActiveTask | undefined;
  wake(): void;
  /** As in PreparingHooks. */
  untilQuiet(): Promise<void>;
  /** Gives up what is done for later starts; resolves when it no longer does anything. */
  untilSettled(): Promise<void>;
  /** Nothing of an absent bot is left. */
  gone(): void;
}

// After this many unexpected failures, a start is given up.
const unexpectedFailuresMax = 5;
// How often in a row a container may vanish before its start before that counts as a failed start.
const vanishedMax = 3;

/** Never throws, except for bugs; after an abort nothing is decided. */
export async function takeStep(
  memory: BotMemory,
  context: BotContext,
  step: WorkStep,
  hooks: StepHooks,
  signal: AbortSignal,
): Promise<void> {
  try {
    await take(memory, context, step, hooks, signal);
    // A look between two tries says nothing about the next one.
    if (step.kind !== 'look' || memory.troubled?.step === 'look') noTrouble(memory);
    if (step.kind !== 'look') memory.failures = 0;
    if (step.kind === 'create') memory.madeAgainFor = undefined;
  } catch (error) {
    if (!signal.aborted) await takeFailure(memory, context, step, error, signal);
  }
}

async function take(
  memory: BotMemory,
  context: BotContext,
  step: WorkStep,
  hooks: StepHooks,
  signal: AbortSignal,
): Promise<void> {
  switch (step.kind) {
    case 'look':
      return container.look(memory, context, signal);
    case 'prepare':
      inBackground(
        beginPreparing(memory, context, hooks).then((prepared) => {
          if (prepared.kind === 'failed') recordFailure(memory, prepared.problem);
          hooks.wake();
        }),
        (error) => context.logger.error({ err: error, bot: memory.key }, 'the end of a build could not be processed'),
      );
      return;
    case 'cancel-prepare':
      return cancelPreparing(memory);
    case 'compare':
      return tell(context, hooks, await container.compare(memory, context, signal));
    case 'settle':
      return settleEnd(memory, context, signal);
    case 'stop':
      return tell(context, hooks, await container.stop(memory, context, signal));
    case 'remove': {
      const replaced = memory.record.desired?.kind === 'running' && factsOf(memory)?.status !== 'created';
      await container.remove(memory, context, signal);
      const task = hooks.task();
      if (task && replaced) task.replaced = true;
      return;
    }
    case 'create':
      await hooks.untilSettled();
      for (const line of await container.create(memory, context, signal)) await tell(context, hooks, line);
      return;
    case 'start':
      return container.start(memory, context, step.again, signal);
    case 'clean':
      return clean(memory, context, hooks, signal);
  }
}

/** A line for the bot's log, and for the result that the user waits for. */
async function tell({ log }: BotContext, hooks: StepHooks, notice: string | undefined): Promise<void> {
  if (notice === undefined) return;
  hooks.task()?.notices.push(notice);
  await log.note(notice);
}

async function clean(memory: BotMemory, context: BotContext, hooks: StepHooks, signal: AbortSignal): Promise<void> {
  const kind = memory.record.desired?.kind;
  await hooks.untilQuiet();
  await cleanUp(memory, context, signal);
  if (kind === 'absent') await context.records.remove(memory.key);
  // Something new may have been decided meanwhile.
  if (memory.record.desired?.kind !== kind) return;
  memory.cleaned = true;
  if (kind === 'absent') hooks.gone();
}

async function takeFailure(
  memory: BotMemory,
  context: BotContext,
  step: WorkStep,
  error: unknown,
  signal: AbortSignal,
): Promise<void> {
  memory.failures += 1;
  memory.stale = true;
  const isStart = step.kind === 'create' || step.kind === 'start';
  if (error instanceof ProblemError && isStart && !isTransient(error)) {
    // A start of a container that somebody removed meanwhile says nothing about the bot.
    if (step.kind === 'start' && memory.failures <= vanishedMax && !(await isStillThere(memory, context, signal)))
      return;
    if (step.kind === 'start' && step.again) {
      return settleRefusedStart(memory, context, error.problem.message);
    }
    const generation = memory.record.desired?.generation;
    const isGone = error.problem.code === 'IMAGE_NOT_FOUND' && memory.madeAgainFor !== generation;
    if (!isGone) return recordFailure(memory, error.problem);
    // Somebody removed the image since it was made: make it again, once.
    memory.madeAgainFor = generation;
    memory.imageReady = undefined;
    memory.record = { ...memory.record, image: undefined };
    return;
  }
  const passing = isTransient(error);
  if (!passing) context.logger.error({ err: error, bot: memory.key, step: step.kind }, 'a step failed unexpectedly');
  if (!passing && isStart && memory.failures >= unexpectedFailuresMax) {
    return recordFailure(memory, problem('INTERNAL', 'The worker failed unexpectedly while it was starting the bot.'));
  }
  memory.troubled = { step: step.kind, isRefused: error instanceof ProblemError };
  memory.trouble = passing ? explainTransient(error) : 'the worker had an unexpected failure';
  memory.pausedUntilMs = context.clock.monotonicMs() + pauseAfterFailures(memory.failures);
}

export function noTrouble(memory: BotMemory): void {
  memory.trouble = '';
  memory.troubled = undefined;
}

async function isStillThere(memory: BotMemory, context: BotContext, signal: AbortSignal): Promise<boolean> {
  try {
    await container.look(memory, context, signal);
    return factsOf(memory) !== undefined;
  } catch (error) {
    // Not known for now. The failed start stands, and the container is looked at again.
    context.logger.debug({ err: error, bot: memory.key }, 'the container of a failed start could not be inspected');
    return true;
  }
}
