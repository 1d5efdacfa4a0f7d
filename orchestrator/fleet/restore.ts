/**
 * What to do with bots about which their worker knows later decisions than the store does, because the store was restored from
 * a backup (docs/adr/0022-a-store-that-went-back.md).
 *
 * 1. Such a bot is left as it is, neither removed nor set back nor started, until its operator accepts the restore or somebody
 *    decides about it again. All others continue.
 * 2. What is decided after the restore gets higher numbers than those the worker has seen, so that it is always the newest.
 * 3. What a restore removes, sets back and starts again is logged before it is done.
 */
import { randomBytes } from 'node:crypto';
import { type BotKey, botKeyText } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import type { BotObservation, Hello, StoreMoment, StoreOpening } from '#gen/botrunner/v1/worker_service_pb.js';
import { createForkOf, type History, type Moment, momentAt, type Opening } from '../core/history.ts';
import type { BotRecord, ShownBot } from '../core/records.ts';
import type { Store } from '../store/store.ts';
import type { Reading } from '../store/tables.ts';
import { wantBotsOfWorker } from '../store/want.ts';

/** What a worker knew when its session began. */
interface Meeting {
  /** Where its history parted from ours; undefined when it did not. */
  readonly fork: number | undefined;
  /** Empty when no history parted. */
  readonly reported: ReadonlyMap<string, Report>;
  /** Those of `reported` whose history parted from ours. */
  readonly differing: readonly Report[];
}

interface Report extends BotKey {
  readonly fork: number | undefined;
  readonly generation: number;
  readonly epoch: number;
}

/** Where a bot is, and when its newest decision was made. */
type Decided = Pick<BotRecord, 'workerId' | 'decidedSeq'>;

interface Held {
  readonly kept: readonly string[];
  readonly notStarted: readonly string[];
}

export interface RestoreParts {
  readonly store: Store;
  readonly logger: Logger;
  /** The id that the log printed; usually undefined. */
  readonly accepted: string | undefined;
}

const pendingName = 'restore_pending';
const acceptedName = 'restore_accepted_seq';
const openingsTold = 32;

const fromProto = ({ opening, seq }: StoreMoment): Moment => ({ opening, seq: Number(seq) });
const openingFromProto = ({ id, fromSeq, after }: StoreOpening): Opening => ({ id, fromSeq: Number(fromSeq), after });
const toMoment = ({ opening, seq }: Moment): StoreMoment => ({
  $typeName: 'botrunner.v1.StoreMoment',
  opening,
  seq: BigInt(seq),
});

export class Restore {
  readonly #store: Store;
  readonly #logger: Logger;
  readonly #openings: readonly Opening[];
  readonly #meetings = new Map<string, Meeting>();
  /** Histories that parted up to here were accepted. */
  readonly #acceptedSeq: number;
  #pending: string;
  /** What was logged last of each worker: it comes again and again while nothing changes. */
  readonly #told = new Map<string, string>();

  private constructor(
    { store, logger }: RestoreParts,
    openings: readonly Opening[],
    acceptedSeq: number,
    pending: string,
  ) {
    this.#store = store;
    this.#logger = logger;
    this.#openings = openings;
    this.#acceptedSeq = acceptedSeq;
    this.#pending = pending;
  }

  /** Opens the store's history again; accepts the restore that waits, if its id is given. */
  static async open(parts: RestoreParts, now: number): Promise<Restore> {
    const { store, logger, accepted } = parts;
    const id = randomBytes(9).toString('base64url');
    const { openings, pending, acceptedSeq } = await store.change([], ({ openings, meta }) => {
      openings.add(id, now);
      const acceptedBefore = Number(meta.get(acceptedName) ?? -1);
      return { openings: openings.all(), pending: meta.get(pendingName) ?? '', acceptedSeq: acceptedBefore };
    });
    if (accepted !== undefined && accepted === pending) {
      const { seq, workers } = await store.change([], (tx) => {
        const last = tx.outbox.lastSeq();
        tx.meta.put(acceptedName, String(last));
        tx.meta.put(pendingName, '');
        return { seq: last, workers: tx.workers.all().map(({ workerId }) => workerId) };
      });
      // A bot that moved after the backup is started where the store has it, and ends elsewhere only when that worker connects.
      logger.warn({ accepted, ...(workers.length > 0 ? { workers } : {}) }, acceptedText);
      return new Restore(parts, openings, seq, '');
    }
    if (accepted !== undefined) {
      logger.warn({ accepted, waiting: pending }, 'ACCEPT_RESTORE does not name a pending restore; it is ignored');
    }
    return new Restore(parts, openings, acceptedSeq, pending);
  }

  /** For Ensure.decided. */
  decided(bot: Pick<BotRecord, 'decidedSeq'>): StoreMoment | undefined {
    const moment = momentAt(this.#openings, bot.decidedSeq);
    return moment && toMoment(moment);
  }

  /** For DesiredSet.now: the moment at which this was the seq of the newest event. */
  momentOf(seq: number): StoreMoment | undefined {
    const opening = this.#openings.at(-1);
    return opening && toMoment({ opening: opening.id, seq });
  }

  /** For DesiredSet.openings. */
  openings(): StoreOpening[] {
    return this.#openings.slice(-openingsTold).map(({ id, fromSeq, after }) => ({
      $typeName: 'botrunner.v1.StoreOpening',
      id,
      fromSeq: BigInt(fromSeq),
      after,
    }));
  }

  /** Takes in what a worker knows. Resolves to the bots whose newest decision must get numbers above those it has seen. */
  async meet({ workerId, heard, openings, snapshot }: Hello): Promise<readonly BotKey[]> {
    const { now, rows, elsewhere } = await this.#store.look([wantBotsOfWorker(workerId)], (tx) => {
      const here = tx.bots.ofWorker(workerId);
      const known = new Map(snapshot.flatMap((seen) => entryOf(tx.bots.get(seen))));
      return { now: tx.outbox.lastSeq(), rows: here, elsewhere: known };
    });
    const ours = { openings: this.#openings, now };
    const forkOf = createForkOf(ours, openings.map(openingFromProto));
    const fork = (moment: StoreMoment | undefined) => moment && forkOf(fromProto(moment));
    const reported = new Map(snapshot.map((seen) => [botKeyText(seen), reportOf(seen, fork(seen.decided))]));
    const differing = [...reported.values()].filter((report) => report.fork !== undefined);
    const parted = fork(heard) !== undefined || differing.length > 0;
    this.#meetings.set(workerId, { fork: fork(heard), reported: parted ? reported : new Map(), differing });
    const absent = rows.filter((bot) => bot.desired === 'running' && !reported.has(botKeyText(bot)));
    const isHeldHere = (key: BotKey) => this.#isHeldAt(workerId, key, elsewhere.get(botKeyText(key)));
    const held = {
      kept: differing.filter(isHeldHere).map(botKeyText),
      notStarted: absent.filter((bot) => this.#isHeldAt(workerId, bot, bot)).map(botKeyText),
    };
    const holds = held.kept.length + held.notStarted.length > 0;
    if (!holds) this.#told.delete(workerId);
    const mine = new Set(rows.map(botKeyText));
    const isMine = (key: BotKey) => mine.has(botKeyText(key));
    if (holds) await this.#refuse(workerId, held, isStrange(ours, openings));
    else if (fork(heard) !== undefined) this.#logFollowing(workerId, differing, absent, isMine);
    return differing.filter((report) => isMine(report) && !isHeldHere(report));
  }

  async #refuse(workerId: string, held: Held, isOtherStore: boolean): Promise<void> {
    if (this.#pending === '') {
      const pending = randomBytes(4).toString('hex');
      this.#pending = pending;
      await this.#store.change([], (tx) => tx.meta.put(pendingName, pending));
    }
    const text = isOtherStore ? otherStore(this.#pending) : setBack(this.#pending);
    const told = JSON.stringify([held, text]);
    if (this.#told.get(workerId) === told) return;
    this.#told.set(workerId, told);
    const lists = Object.entries(held).filter(([, bots]) => bots.length > 0);
    this.#logger.error({ workerId, ...Object.fromEntries(lists) }, text);
  }

  #logFollowing(
    workerId: string,
    differing: readonly BotKey[],
    absent: readonly BotKey[],
    isMine: (key: BotKey) => boolean,
  ): void {
    const lists = {
      removes: differing.filter((key) => !isMine(key)).map(botKeyText),
      setsBack: differing.filter(isMine).map(botKeyText),
      starts: absent.map(botKeyText),
    };
    const changes = Object.entries(lists).filter(([, bots]) => bots.length > 0);
    if (changes.length === 0) return;
    this.#logger.warn({ workerId, ...Object.fromEntries(changes) }, 'the worker follows the restored store');
  }

  /** Whether the worker leaves the bot as it is, whatever the store says: `bot` is what it says. */
  #isHeldAt(workerId: string, key: BotKey, bot: Decided | undefined): boolean {
    const meeting = this.#meetings.get(workerId);
    if (meeting === undefined) return false;
    const report = meeting.reported.get(botKeyText(key));
    const fork = report === undefined ? meeting.fork : report.fork;
    if (fork === undefined || fork <= this.#acceptedSeq) return false;
    return bot === undefined || bot.workerId !== workerId || bot.decidedSeq <= fork;
  }

  isHeld(bot: BotKey & Decided): boolean {
    return bot.workerId !== null && this.#isHeldAt(bot.workerId, bot, bot);
  }

  /** For DesiredSet.kept. */
  kept({ bots }: Pick<Reading, 'bots'>, workerId: string): readonly BotKey[] {
    const differing = this.#meetings.get(workerId)?.differing ?? [];
    return differing.filter((report) => this.#isHeldAt(workerId, report, bots.get(report)));
  }

  /** Whether something of the worker is held, started or not. */
  holdsAny(tx: Pick<Reading, 'bots'>, workerId: string): boolean {
    const meeting = this.#meetings.get(workerId);
    // As it nearly always is: nothing is held where no history parted.
    if (meeting === undefined || (meeting.fork === undefined && meeting.differing.length === 0)) return false;
    if (this.kept(tx, workerId).length > 0) return true;
    return tx.bots.ofWorker(workerId).some((bot) => bot.desired === 'running' && this.isHeld(bot));
  }

  /** Shown as the bot's reason. */
  reasonOf(bot: ShownBot): string | undefined {
    if (!this.isHeld(bot)) return undefined;
    return (
      'the store was restored from a backup, and its worker knows later decisions about it: it is left as it is until it is ' +
      'updated, restarted, stopped or deleted, or the operator accepts the restore'
    );
  }

  /** The numbers that its worker has seen in another history: what is decided now must be above them. */
  seen(bot: BotKey & { readonly workerId: string | null }): { generation: number; epoch: number } | undefined {
    const report = bot.workerId === null ? undefined : this.#meetings.get(bot.workerId)?.reported.get(botKeyText(bot));
    return report?.fork === undefined ? undefined : report;
  }
}

/** Whether the worker knows other openings, and none of the store's. */
function isStrange(ours: History, theirs: readonly StoreOpening[]): boolean {
  const known = new Set(ours.openings.map(({ id }) => id));
  return theirs.length > 0 && !theirs.some(({ id }) => known.has(id));
}

const acceptedText =
  'the restore of the store is accepted: bots follow it as their workers connect. See that all "workers" connect, and those that joined ' +
  'after the backup: a bot that moved meanwhile runs twice until the worker it had moved to does';

const setBack = (id: string): string =>
  'the store was set back: the worker knows later decisions than it has. "kept" bots keep running as they are and would be removed or ' +
  'set back, "notStarted" ones would be started again; all others continue. A new update, restart, stop or delete decides ' +
  `about a bot; to let all of them follow the store, start once with ACCEPT_RESTORE=${id} while every worker runs: a bot that moved ` +
  'after the backup runs twice until the worker that it had moved to connects';

const otherStore = (id: string): string =>
  'the bots of the worker belong to another store than this one, and keep running as they are. Start with the DATA_DIR that they ' +
  `belong to; if this is that store from a very old backup, let the worker follow it with ACCEPT_RESTORE=${id}`;

const entryOf = (bot: BotRecord | undefined): readonly (readonly [string, Decided])[] =>
  bot === undefined ? [] : [[botKeyText(bot), bot]];

const reportOf = ({ userId, botId, generation, epoch }: BotObservation, fork: number | undefined): Report => ({
  userId,
  botId,
  fork,
  generation: Number(generation),
  epoch: Number(epoch),
});
