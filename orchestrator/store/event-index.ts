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
  /** Of its body. */
  readonly bytes: number;
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
  #bytes: number[] = [];
  /** Of all of them. */
  bytes = 0;
  readonly #known = new Map<string, Subject>();

  get isEmpty(): boolean {
    return this.#seqs.length === 0;
  }

  get count(): number {
    return this.#seqs.length;
  }

  add({ seq, botId, kind, bytes }: EventPlace): void {
    const name = `${kind} ${botId}`;
    const known = this.#known.get(name);
    const subject = known ?? { botId, kind, events: 0 };
    if (known === undefined) this.#known.set(name, subject);
    subject.events += 1;
    this.#seqs.push(seq);
    this.#subjects.push(subject);
    this.#bytes.push(bytes);
    this.bytes += bytes;
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

  /** The oldest `limit` after `floor`, that are more than `level`. */
  beyond(floor: number, level: number, limit: number): readonly number[] {
    const from = this.#firstAfter(floor);
    return this.#seqs.slice(from, from + Math.max(0, Math.min(limit, this.#seqs.length - from - level)));
  }

  countAfter(floor: number): number {
    return this.#seqs.length - this.#firstAfter(floor);
  }

  forget(upTo: number, stays: Pick<ReadonlySet<number>, 'has'>): void {
    const end = this.#firstAfter(upTo);
    if (end === 0) return;
    const seqs: number[] = [];
    const subjects: Subject[] = [];
    const sizes: number[] = [];
    for (let at = 0; at < end; at++) {
      const [seq, subject] = [this.#seqs[at], this.#subjects[at]];
      if (seq === undefined || subject === undefined) break;
      if (stays.has(seq)) {
        seqs.push(seq);
        subjects.push(subject);
        sizes.push(this.#bytes[at] ?? 0);
        continue;
      }
      this.bytes -= this.#bytes[at] ?? 0;
      subject.events -= 1;
      if (subject.events === 0) this.#known.delete(`${subject.kind} ${subject.botId}`);
    }
    this.#seqs = seqs.concat(this.#seqs.slice(end));
    this.#subjects = subjects.concat(this.#subjects.slice(end));
    this.#bytes = sizes.concat(this.#bytes.slice(end));
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

export interface UserEventSeqs {
  readonly userId: string;
  /** Ascending. */
  readonly seqs: readonly number[];
}

/** How many each may have at most, so that all have `keep` together; undefined when they do not have more. */
export function fairLevel(counts: readonly number[], keep: number): number | undefined {
  if (counts.reduce((sum, count) => sum + count, 0) <= keep) return undefined;
  let left = Math.max(0, keep);
  const ascending = [...counts].sort((a, b) => a - b);
  for (const [index, count] of ascending.entries()) {
    const share = Math.floor(left / (ascending.length - index));
    if (count > share) return share;
    left -= count;
  }
  return undefined;
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

  /** How many a user has, and how much their bodies take. */
  heldBy(userId: string): { readonly events: number; readonly bytes: number } {
    const user = this.#users.get(userId);
    return { events: user?.count ?? 0, bytes: user?.bytes ?? 0 };
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

  /**
   * Of users that have more than their share of `keep` events, the oldest of those after their floor: at most `limit` in all. Shares are
   * equal, and what some leave of theirs goes to the others, so that a flood of one user takes nobody else's events.
   */
  beyond(keep: number, floorOf: (userId: string) => number, limit: number): readonly UserEventSeqs[] {
    const counts = [...this.#users].map(([userId, user]) => user.countAfter(floorOf(userId)));
    const level = fairLevel(counts, keep);
    if (level === undefined) return [];
    const found: UserEventSeqs[] = [];
    let left = limit;
    for (const [userId, user] of this.#users) {
      const seqs = user.beyond(floorOf(userId), level, left);
      if (seqs.length > 0) found.push({ userId, seqs });
      left -= seqs.length;
      if (left === 0) break;
    }
    return found;
  }

  /** These events are gone. */
  remove(gone: readonly UserEventSeqs[]): void {
    const all = new Set(gone.flatMap(({ seqs }) => seqs));
    for (const { userId, seqs } of gone) {
      const user = this.#users.get(userId);
      user?.forget(seqs.at(-1) ?? 0, { has: (seq) => !all.has(seq) });
      if (user?.isEmpty) this.#users.delete(userId);
    }
    for (const [bot, { seq }] of this.#latest) if (all.has(seq)) this.#latest.delete(bot);
    for (const [worker, seq] of this.#workers) if (all.has(seq)) this.#workers.delete(worker);
  }

  /** How many there are after the floors of their users. */
  countAfter(floorOf: (userId: string) => number): number {
    let count = 0;
    for (const [userId, user] of this.#users) count += user.countAfter(floorOf(userId));
    return count;
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
