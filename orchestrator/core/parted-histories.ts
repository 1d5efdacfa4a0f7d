/**
 * What workers know that the store does not, because it was restored from a backup: which bots are held, and what is decided about them
 * (docs/adr/0022-a-store-that-went-back.md). Pure.
 *
 * 1. A bot about which its worker knows a later decision than the store is held: left as it is, neither removed nor set back nor
 *    started, until somebody decides about it again, or the operator accepts the restore.
 * 2. What is decided after the restore gets numbers above those that its worker has seen, so that it is always the newest.
 */
import { type BotKey, botKeyText } from '#common/ids.ts';
import type { BotObservation, Hello, StoreMoment, StoreOpening } from '#gen/botrunner/v1/worker_service_pb.js';
import { createForkOf, type History, type Moment, momentAt, type Opening } from './history.ts';
import type { BotRecord } from './records.ts';

/** Where a bot is, and when its newest decision was made. */
export type Decided = Pick<BotRecord, 'workerId' | 'decidedSeq'>;

/** What a worker knew when its session began. */
interface Knowledge {
  /** Where its history parted from ours; undefined when it did not. */
  readonly fork: number | undefined;
  /** Empty when no history parted. */
  readonly reported: ReadonlyMap<string, Reported>;
  /** Those of `reported` whose history parted from ours. */
  readonly differing: readonly Reported[];
}

interface Reported extends BotKey {
  readonly fork: number | undefined;
  readonly generation: number;
  readonly epoch: number;
}

/** The store's side when a worker's session begins. */
export interface StoreSide {
  /** The seq of the newest event. */
  readonly now: number;
  /** The bots that are on the worker. */
  readonly here: readonly (BotKey & Decided & Pick<BotRecord, 'desired'>)[];
  /** A bot of the worker's snapshot, wherever it is; undefined when the store has none. */
  readonly find: (key: BotKey) => Decided | undefined;
}

/** What a worker's beginning session means; keys as `botKeyText`. */
export interface Meeting {
  /** Held bots that the worker has. */
  readonly kept: readonly string[];
  /** Held bots that should run there and that the worker does not have. */
  readonly notStarted: readonly string[];
  /** What the worker does, if nothing is held and its history parted from the store's. */
  readonly follows: Readonly<Record<'removes' | 'setsBack' | 'starts', readonly string[]>> | undefined;
  /** Whether the worker knows openings of a store, and none of this one's. */
  readonly isOfOtherStore: boolean;
  /** Bots whose newest decision must get numbers above those that the worker has seen. */
  readonly decideAnew: readonly BotKey[];
}

const openingsTold = 32;

export class PartedHistories {
  readonly #openings: readonly Opening[];
  /** Histories that parted up to here were accepted. */
  readonly #acceptedSeq: number;
  readonly #known = new Map<string, Knowledge>();

  constructor(openings: readonly Opening[], acceptedSeq: number) {
    this.#openings = openings;
    this.#acceptedSeq = acceptedSeq;
  }

  /** Takes in what a worker knows. */
  meet(
    { workerId, heard, openings, snapshot }: Pick<Hello, 'workerId' | 'heard' | 'openings' | 'snapshot'>,
    store: StoreSide,
  ): Meeting {
    const ours = { openings: this.#openings, now: store.now };
    const forkOf = createForkOf(ours, openings.map(openingOf));
    const fork = (moment: StoreMoment | undefined) => moment && forkOf(momentOf(moment));
    const reported = new Map(snapshot.map((seen) => [botKeyText(seen), reportedOf(seen, fork(seen.decided))]));
    const differing = [...reported.values()].filter((one) => one.fork !== undefined);
    const whole = fork(heard);
    const parted = whole !== undefined || differing.length > 0;
    this.#known.set(workerId, { fork: whole, reported: parted ? reported : new Map(), differing });
    const isHeldHere = (key: BotKey) => this.#isHeldAt(workerId, key, store.find(key));
    const absent = store.here.filter((bot) => bot.desired === 'running' && !reported.has(botKeyText(bot)));
    const kept = differing.filter(isHeldHere);
    const notStarted = absent.filter((bot) => this.#isHeldAt(workerId, bot, bot));
    const holds = kept.length + notStarted.length > 0;
    const mine = new Set(store.here.map(botKeyText));
    const isMine = (key: BotKey) => mine.has(botKeyText(key));
    const follows = {
      removes: differing.filter((key) => !isMine(key)).map(botKeyText),
      setsBack: differing.filter(isMine).map(botKeyText),
      starts: absent.map(botKeyText),
    };
    return {
      kept: kept.map(botKeyText),
      notStarted: notStarted.map(botKeyText),
      follows: !holds && whole !== undefined ? follows : undefined,
      isOfOtherStore: isStrange(ours, openings),
      decideAnew: differing.filter((key) => isMine(key) && !isHeldHere(key)),
    };
  }

  /** Whether the worker leaves the bot as it is, whatever the store says: `bot` is what it says. */
  #isHeldAt(workerId: string, key: BotKey, bot: Decided | undefined): boolean {
    const known = this.#known.get(workerId);
    if (known === undefined) return false;
    const reported = known.reported.get(botKeyText(key));
    const fork = reported === undefined ? known.fork : reported.fork;
    if (fork === undefined || fork <= this.#acceptedSeq) return false;
    return bot === undefined || bot.workerId !== workerId || bot.decidedSeq <= fork;
  }

  isHeld(bot: BotKey & Decided): boolean {
    return bot.workerId !== null && this.#isHeldAt(bot.workerId, bot, bot);
  }

  /** For DesiredSet.kept. */
  kept(bots: { get(key: BotKey): Decided | undefined }, workerId: string): readonly BotKey[] {
    const differing = this.#known.get(workerId)?.differing ?? [];
    return differing.filter((key) => this.#isHeldAt(workerId, key, bots.get(key)));
  }

  /** Whether something of the worker is held, started or not. */
  holdsAny(
    bots: { get(key: BotKey): Decided | undefined; ofWorker(workerId: string): StoreSide['here'] },
    workerId: string,
  ): boolean {
    const known = this.#known.get(workerId);
    // As it nearly always is: nothing is held where no history parted.
    if (known === undefined || (known.fork === undefined && known.differing.length === 0)) return false;
    if (this.kept(bots, workerId).length > 0) return true;
    return bots.ofWorker(workerId).some((bot) => bot.desired === 'running' && this.isHeld(bot));
  }

  /** The numbers that its worker has seen in another history: what is decided now must be above them. */
  seen(bot: BotKey & { readonly workerId: string | null }): { generation: number; epoch: number } | undefined {
    const reported = bot.workerId === null ? undefined : this.#known.get(bot.workerId)?.reported.get(botKeyText(bot));
    return reported?.fork === undefined ? undefined : reported;
  }

  /** For Ensure.decided. */
  decided(bot: Pick<BotRecord, 'decidedSeq'>): StoreMoment | undefined {
    const moment = momentAt(this.#openings, bot.decidedSeq);
    return moment && toMessage(moment);
  }

  /** For DesiredSet.now: the moment at which this was the seq of the newest event. */
  momentOf(seq: number): StoreMoment | undefined {
    const opening = this.#openings.at(-1);
    return opening && toMessage({ opening: opening.id, seq });
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
}

const momentOf = ({ opening, seq }: StoreMoment): Moment => ({ opening, seq: Number(seq) });
const openingOf = ({ id, fromSeq, after }: StoreOpening): Opening => ({ id, fromSeq: Number(fromSeq), after });
const toMessage = ({ opening, seq }: Moment): StoreMoment => ({
  $typeName: 'botrunner.v1.StoreMoment',
  opening,
  seq: BigInt(seq),
});

const reportedOf = ({ userId, botId, generation, epoch }: BotObservation, fork: number | undefined): Reported => ({
  userId,
  botId,
  fork,
  generation: Number(generation),
  epoch: Number(epoch),
});

function isStrange(ours: History, theirs: readonly StoreOpening[]): boolean {
  const known = new Set(ours.openings.map(({ id }) => id));
  return theirs.length > 0 && !theirs.some(({ id }) => known.has(id));
}
