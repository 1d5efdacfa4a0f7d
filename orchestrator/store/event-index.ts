/**
 * Where the events of each user, bot and worker are: their numbers, in memory. An index in the database would be one more page to write for
 * each user of a commit (ADR 0050).
 *
 * Invariant: every event on disk is here, and no other.
 */
import { botKeyText } from '#common/ids.ts';

/** What an event is looked up by. */
export interface EventPlace {
  readonly seq: number;
  /** Empty for an event of a worker. */
  readonly userId: string;
  readonly botId: string;
  readonly botSeq: number;
  readonly kind: string;
  readonly subjectId: string;
}

export interface LatestPlace {
  readonly seq: number;
  readonly botSeq: number;
}

/** What distinguishes the events of one user; events that are alike share one object. */
interface Subject {
  readonly botId: string;
  readonly kind: string;
  /** Of so many events. */
  events: number;
}

/** The events of one user, oldest first: number and subject of each. */
class UserEvents {
  #seqs: number[] = [];
  #subjects: Subject[] = [];
  readonly #known = new Map<string, Subject>();

  get isEmpty(): boolean {
    return this.#seqs.length === 0;
  }

  add({ seq, botId, kind }: EventPlace): void {
    const name = `${kind} ${botId}`;
    const known = this.#known.get(name);
    const subject = known ?? { botId, kind, events: 0 };
    if (known === undefined) this.#known.set(name, subject);
    subject.events += 1;
    this.#seqs.push(seq);
    this.#subjects.push(subject);
  }

  after(seq: number, limit: number): readonly number[] {
    const from = this.#firstAfter(seq);
    return this.#seqs.slice(from, from + limit);
  }

  last(wants: (subject: Subject) => boolean, limit: number): readonly number[] {
    const found: number[] = [];
    for (let at = this.#seqs.length - 1; at >= 0 && found.length < limit; at--) {
      const [seq, subject] = [this.#seqs[at], this.#subjects[at]];
      if (seq !== undefined && subject !== undefined && wants(subject)) found.push(seq);
    }
    return found.reverse();
  }

  forget(upTo: number, stays: ReadonlySet<number>): void {
    const end = this.#firstAfter(upTo);
    if (end === 0) return;
    const seqs: number[] = [];
    const subjects: Subject[] = [];
    for (let at = 0; at < end; at++) {
      const [seq, subject] = [this.#seqs[at], this.#subjects[at]];
      if (seq === undefined || subject === undefined) break;
      if (stays.has(seq)) {
        seqs.push(seq);
        subjects.push(subject);
        continue;
      }
      subject.events -= 1;
      if (subject.events === 0) this.#known.delete(`${subject.kind} ${subject.botId}`);
    }
    this.#seqs = seqs.concat(this.#seqs.slice(end));
    this.#subjects = subjects.concat(this.#subjects.slice(end));
  }

  #firstAfter(seq: number): number {
    let [low, high] = [0, this.#seqs.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#seqs[middle] ?? 0) <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class EventIndex {
  readonly #users = new Map<string, UserEvents>();
  /** By bot, the one that was added longest ago first. */
  readonly #latest = new Map<string, LatestPlace>();
  readonly #workers = new Map<string, number>();

  /** In the order of seq. */
  add(event: EventPlace): void {
    let user = this.#users.get(event.userId);
    if (user === undefined) {
      user = new UserEvents();
      this.#users.set(event.userId, user);
    }
    user.add(event);
    if (event.kind === 'bot') {
      const bot = botKeyText(event);
      this.#latest.delete(bot);
      this.#latest.set(bot, { seq: event.seq, botSeq: event.botSeq });
    } else if (event.userId === '') this.#workers.set(event.subjectId, event.seq);
  }

  /** Numbers of at most `limit` events of a user after `seq`, ascending. */
  ofUser(userId: string, seq: number, limit: number): readonly number[] {
    return this.#users.get(userId)?.after(seq, limit) ?? [];
  }

  /** The newest `limit` of a user that are wanted, ascending. */
  lastOf(
    userId: string,
    wants: (subject: Pick<EventPlace, 'botId' | 'kind'>) => boolean,
    limit: number,
  ): readonly number[] {
    return this.#users.get(userId)?.last(wants, limit) ?? [];
  }

  /** The newest event about the bot itself. `botKey` as of botKeyText. */
  latestOfBot(botKey: string): LatestPlace | undefined {
    return this.#latest.get(botKey);
  }

  /** Those of all bots, in the order of seq. */
  latestOfBots(): Iterable<LatestPlace> {
    return this.#latest.values();
  }

  latestOfWorkers(): readonly number[] {
    return [...this.#workers.values()].sort((a, b) => a - b);
  }

  /** Events up to `upTo` are gone, but for those that stay. */
  forget(upTo: number, stays: ReadonlySet<number>): void {
    for (const [userId, user] of this.#users) {
      user.forget(upTo, stays);
      if (user.isEmpty) this.#users.delete(userId);
    }
    for (const [bot, { seq }] of this.#latest) {
      if (seq > upTo) break;
      if (!stays.has(seq)) this.#latest.delete(bot);
    }
    for (const [worker, seq] of this.#workers) {
      if (seq <= upTo && !stays.has(seq)) this.#workers.delete(worker);
    }
  }
}
