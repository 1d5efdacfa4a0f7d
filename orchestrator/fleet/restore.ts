/**
 * A store that was restored from a backup (docs/adr/0022-a-store-that-went-back.md): opens its history again, takes the operator's word
 * for it, and logs which bots are left as they are and what workers do, before they do it. What is held, core/parted-histories.ts decides.
 */
import { randomBytes } from 'node:crypto';
import { type BotKey, botKeyText } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import type { Hello } from '#gen/botrunner/v1/worker_service_pb.js';
import { type Decided, type Meeting, PartedHistories } from '../core/parted-histories.ts';
import type { BotRecord, ShownBot } from '../core/records.ts';
import type { Store } from '../store/store.ts';
import { wantBotsOfWorker } from '../store/want.ts';

export interface RestoreParts {
  readonly store: Store;
  readonly logger: Logger;
  /** The id that the log printed; usually undefined. */
  readonly accepted: string | undefined;
}

const pendingName = 'restore_pending';
const acceptedName = 'restore_accepted_seq';

export class Restore {
  readonly histories: PartedHistories;
  readonly #store: Store;
  readonly #logger: Logger;
  #pending: string;
  /** What was logged last of each worker: it comes again and again while nothing changes. */
  readonly #told = new Map<string, string>();

  private constructor({ store, logger }: RestoreParts, histories: PartedHistories, pending: string) {
    this.histories = histories;
    this.#store = store;
    this.#logger = logger;
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
      return new Restore(parts, new PartedHistories(openings, seq), '');
    }
    if (accepted !== undefined) {
      logger.warn({ accepted, waiting: pending }, 'ACCEPT_RESTORE does not name a pending restore; it is ignored');
    }
    return new Restore(parts, new PartedHistories(openings, acceptedSeq), pending);
  }

  /** Takes in what a worker knows. Resolves to the bots whose newest decision must get numbers above those it has seen. */
  async meet(hello: Hello): Promise<readonly BotKey[]> {
    const { workerId, snapshot } = hello;
    const { now, here, found } = await this.#store.look([wantBotsOfWorker(workerId)], (tx) => ({
      now: tx.outbox.lastSeq(),
      here: tx.bots.ofWorker(workerId),
      found: new Map(snapshot.flatMap((seen) => entryOf(tx.bots.get(seen)))),
    }));
    const meeting = this.histories.meet(hello, { now, here, find: (key) => found.get(botKeyText(key)) });
    if (meeting.kept.length + meeting.notStarted.length > 0) await this.#refuse(workerId, meeting);
    else {
      this.#told.delete(workerId);
      this.#logFollowing(workerId, meeting);
    }
    return meeting.decideAnew;
  }

  async #refuse(workerId: string, { kept, notStarted, isOfOtherStore }: Meeting): Promise<void> {
    if (this.#pending === '') {
      const pending = randomBytes(4).toString('hex');
      this.#pending = pending;
      await this.#store.change([], (tx) => tx.meta.put(pendingName, pending));
    }
    const text = isOfOtherStore ? otherStore(this.#pending) : setBack(this.#pending);
    const told = JSON.stringify([kept, notStarted, text]);
    if (this.#told.get(workerId) === told) return;
    this.#told.set(workerId, told);
    this.#logger.error({ workerId, ...withoutEmpty({ kept, notStarted }) }, text);
  }

  #logFollowing(workerId: string, { follows }: Meeting): void {
    const changes = withoutEmpty(follows ?? {});
    if (Object.keys(changes).length === 0) return;
    this.#logger.warn({ workerId, ...changes }, 'the worker follows the restored store');
  }

  /** Shown as the bot's reason. */
  reasonOf(bot: ShownBot): string | undefined {
    if (!this.histories.isHeld(bot)) return undefined;
    return (
      'the store was restored from a backup, and its worker knows later decisions about it: it is left as it is until it is ' +
      'updated, restarted, stopped or deleted, or the operator accepts the restore'
    );
  }
}

const withoutEmpty = (lists: Readonly<Record<string, readonly string[]>>) =>
  Object.fromEntries(Object.entries(lists).filter(([, bots]) => bots.length > 0));

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
