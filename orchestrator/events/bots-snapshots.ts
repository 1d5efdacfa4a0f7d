/**
 * All bots of a user as they are now. Many who ask at once, as after a restart, get the same object, and so the same bytes: one is
 * given out for as long as nothing has happened since, though not for long, since a silent worker is no event.
 */
import type { Clock } from '#common/clock.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Store } from '../store/store.ts';
import { wantBot, wantBotsOfUser } from '../store/want.ts';
import type { BotView } from '../views/bot-view.ts';
import { resumePoint } from './resume-point.ts';

export interface BotsSnapshot {
  readonly kind: 'snapshot';
  readonly bots: readonly BotView[];
  readonly reason: string;
  /** The place in the log of events that the bots are from. */
  readonly seq: number;
  readonly resumeFrom: string;
}

export interface BotsSnapshotsDeps {
  readonly store: Store;
  readonly storeId: string;
  readonly fleet: Fleet;
  readonly clock: Clock;
}

interface Asked {
  readonly userId: string;
  /** Empty: all bots. */
  readonly botId: string;
}

const sharedMs = 100;

export class BotsSnapshots {
  readonly #deps: BotsSnapshotsDeps;
  /** By what was asked for; each is forgotten when it is too old to be given out. */
  readonly #shared = new Map<string, Promise<BotsSnapshot>>();

  constructor(deps: BotsSnapshotsDeps) {
    this.#deps = deps;
  }

  async of(asked: Asked, reason: string): Promise<BotsSnapshot> {
    const key = JSON.stringify([asked.userId, asked.botId, reason]);
    const now = await this.#deps.store.look([], (tx) => tx.outbox.lastSeq());
    for (let old: Promise<BotsSnapshot> | undefined; ; ) {
      const sharing = this.#shared.get(key);
      if (sharing === undefined || sharing === old) return this.#share(key, this.#make(asked, reason));
      const shared = await sharing;
      // One that was begun for somebody else may be from before.
      if (shared.seq >= now) return shared;
      old = sharing;
    }
  }

  #share(key: string, making: Promise<BotsSnapshot>): Promise<BotsSnapshot> {
    this.#shared.set(key, making);
    const forget = () => {
      if (this.#shared.get(key) === making) this.#shared.delete(key);
    };
    making.then(() => this.#deps.clock.after(sharedMs, forget), forget);
    return making;
  }

  #make({ userId, botId }: Asked, reason: string): Promise<BotsSnapshot> {
    const { store, storeId, fleet } = this.#deps;
    const wants = [botId === '' ? wantBotsOfUser(userId) : wantBot({ userId, botId })];
    return store.look(wants, (tx) => {
      const bots = botId === '' ? tx.bots.ofUser(userId) : [tx.bots.get({ userId, botId }) ?? []].flat();
      const seq = tx.outbox.lastSeq();
      const views = bots.map((bot) => fleet.view(bot));
      return { kind: 'snapshot', bots: views, reason, seq, resumeFrom: resumePoint(storeId, seq) };
    });
  }
}
