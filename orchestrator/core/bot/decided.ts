/**
 * How a decision changes a bot's record: what it should be from now on. Each raises the generation; one that may fail keeps what
 * there was (`undo`). Pure: specs come in sealed, times and limits as values.
 */
import type { BotKey } from '#common/ids.ts';
import { type Age, freshAge } from '../max-runtime.ts';
import { mayRun } from '../quota.ts';
import type { BotRecord, UndoPoint } from '../records.ts';
import { botRecord, changed } from './record.ts';

/** What placement has to know of a spec. */
export interface Shape {
  readonly mode: string;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
}

/** A bot that has been asked for and has not begun: generation 0. */
export const newBot = ({ userId, botId }: BotKey, shape: Shape, now: number): BotRecord =>
  botRecord({
    userId,
    botId,
    ...shape,
    desired: 'stopped',
    generation: 0,
    revision: 0,
    epoch: 0,
    workerId: null,
    leaving: false,
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
  });

export type Decision =
  | {
      readonly kind: 'deploy';
      readonly shape: Shape;
      readonly specSealed: Uint8Array;
      /** Whether a stopped bot is started with exactly the content it had, so that its image can be used again. */
      readonly asItWas: boolean;
      readonly age: Age;
    }
  | {
      readonly kind: 'restart';
      /** Whether the revision stays, and with it the image and, if the bot runs, the container. */
      readonly inPlace: boolean;
      readonly age: Age;
    }
  | { readonly kind: 'stop'; readonly notice: string }
  | { readonly kind: 'remove'; readonly purge: boolean }
  | { readonly kind: 'move' };

/** The bot as the decision wants it. */
export function decided(bot: BotRecord, decision: Decision): BotRecord {
  const generation = bot.generation + 1;
  switch (decision.kind) {
    case 'deploy': {
      const { shape, specSealed, asItWas, age } = decision;
      return changed(bot, {
        ...shape,
        ...age,
        desired: 'running',
        generation,
        revision: asItWas ? bot.revision : generation,
        specSealed,
        undo: undoOf(bot),
        ...(bot.desired === 'running' && bot.undo === null && bot.revision > 0 ? goingOn(bot) : fresh(bot)),
      });
    }
    case 'restart':
      return changed(bot, {
        ...decision.age,
        desired: 'running',
        generation,
        revision: decision.inPlace ? bot.revision : generation,
        undo: undoOf(bot),
        ...(bot.desired === 'running' ? goingOn(bot) : fresh(bot)),
      });
    case 'stop':
      return changed(bot, { ...ended, desired: 'stopped', generation, notice: decision.notice });
    case 'remove':
      return changed(bot, { ...ended, desired: 'removed', generation, purge: decision.purge });
    case 'move':
      return changed(bot, { generation, leaving: true });
  }
}

/** A bot that does not run, with another spec for its next start. Nothing is decided about what runs. */
export const configured = (bot: BotRecord, { specSealed, shape }: Configured): BotRecord =>
  changed(bot, { ...shape, specSealed });

export interface Configured {
  readonly specSealed: Uint8Array;
  readonly shape: Shape;
}

/** A stop or removal is for good: there is nothing to go back to. */
const ended = { undo: null, pendingTask: null, leaving: false } as const;

const undoOf = ({ desired, revision, state, specSealed }: BotRecord): UndoPoint => ({
  // One that has ended for good is not started again for a job that does not succeed.
  desired: desired === 'running' && !mayRun({ desired, state }) ? 'stopped' : desired,
  revision,
  // One that is starting has not failed: after a rollback, or a restart of its worker, it is about to run again.
  wasUp: state === 'running' || state === 'starting',
  specSealed,
});

/** The state until its worker reports: a bot that runs continues, one that had ended may run from now on. */
const goingOn = (bot: BotRecord): Partial<Pick<BotRecord, 'state'>> =>
  bot.desired === 'running' && !mayRun(bot) ? { state: 'pending' } : {};

/** Keeps from what was observed only its decision: placement asks whether the worker knew of the last one. */
const fresh = ({ observed: { generation, containerId } }: BotRecord): Pick<BotRecord, 'state' | 'observed'> => ({
  state: 'pending',
  observed: generation === undefined || containerId !== undefined ? {} : { generation },
});

/** A start under the name of a deleted bot: the record is that of a bot that has never run, with the numbers continued. */
export const reborn = (bot: BotRecord, now: number): BotRecord =>
  changed(bot, {
    desired: 'stopped',
    revision: 0,
    specSealed: null,
    purge: false,
    undo: null,
    state: 'pending',
    createdAt: now,
  });

/** The same decision once more, with numbers and a revision above all earlier ones, because its worker knows later ones. */
export const decidedAnew = (bot: BotRecord): BotRecord =>
  changed(bot, { generation: bot.generation + 1, revision: bot.generation + 1 });
