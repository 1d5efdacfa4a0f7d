/**
 * Removes sources that nobody needs any more. Needed are those of all bots there are, whatever their state, of what a bot may
 * go back to, and of open jobs; the rest goes a day after it was seen to be needed last.
 *
 * Whether a source is needed is a matter of each of its owners: one who does not need it any more loses it, and it goes with the last.
 *
 * 1. Only its sealed spec says which source a bot has, so specs are opened for the look, some at a time.
 * 2. A source is removed only if every look of a day has found it unneeded; what is uploaded or asked for again is needed again.
 * 3. Nothing is removed of a user who has a spec that cannot be opened: with the right key it may be opened again.
 */
import { inBackground, nextTurn, repeat } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { BotKey } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import type { Secret } from '#common/secret.ts';
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import type { SourceOwner } from '../core/records.ts';
import type { OwnedSource, Store } from '../store/store.ts';
import { removeUploads } from '../store/upload-removal.ts';
import { openSoundSpec } from './specs.ts';

const lookMs = 60 * 60 * 1000;
const keptMs = 24 * 60 * 60 * 1000;
const freedAgainMs = 2_000;
// After an upload its start is still to come.
const askedForMs = 10 * 60 * 1000;
// Per turn: some milliseconds each.
const specsAtOnce = 100;
const artifactsAtOnce = 500;
const pagesAtOnce = 256;

export interface SourcePruningParts {
  readonly store: Store;
  readonly sealKey: Secret<Uint8Array>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Wall time to reckon ages with; the clock's own unless given. */
  readonly ageNowMs?: () => number;
}

/** The sha256 of the source that was uploaded for it; undefined for other sources. */
export function artifactOf({ source }: Pick<BotSpec, 'source'>): string | undefined {
  if (source.case === 'simple') return source.value.artifactSha256;
  if (source.case !== 'custom') return undefined;
  return source.value.from.case === 'artifactSha256' ? source.value.from.value : undefined;
}

interface Needed {
  /** By user. */
  readonly sha256s: Map<string, Set<string>>;
  /** Users whose needs cannot be determined. */
  readonly unclear: Set<string>;
}

export class SourcePruning {
  readonly #parts: SourcePruningParts;
  readonly #stopping = new AbortController();
  readonly #freeing = new Map<string, Promise<boolean>>();
  #stop: () => void = () => undefined;

  constructor(parts: SourcePruningParts) {
    this.#parts = parts;
  }

  /** Looks now and every hour. */
  run(): void {
    const { clock } = this.#parts;
    inBackground(this.prune(), this.#report);
    this.#stop = repeat(clock, lookMs, () => this.prune(), this.#report);
  }

  stop(): void {
    this.#stopping.abort();
    this.#stop();
  }

  async prune(): Promise<void> {
    const { store, logger } = this.#parts;
    const needed = await this.#needed();
    const uploads: string[] = [];
    for (let after: OwnedSource | undefined = { userId: '', sha256: '' }; after !== undefined && !this.#isStopped; ) {
      const from: OwnedSource = after;
      const page = await store.upkeep.ownedAfter(from, artifactsAtOnce);
      uploads.push(...(await this.#removeUnneeded(page, needed, keptMs)));
      after = page.length < artifactsAtOnce ? undefined : page.at(-1);
      await nextTurn();
    }
    await removeUploads(store, uploads, this.#stopping.signal);
    if (uploads.length > 0) logger.info({ sources: uploads.length }, 'unused sources were removed');
    // After events and jobs were removed, too.
    while (!this.#isStopped && (await store.upkeep.shrink(pagesAtOnce))) await nextTurn();
  }

  /**
   * Removes what the user does not need now and has not asked for in the last minutes, for room for another source. Resolves to whether
   * there was any. Calls that come meanwhile, or right after, share the look.
   */
  free(userId: string): Promise<boolean> {
    const freeing =
      this.#freeing.get(userId) ??
      this.#free(userId).finally(() => {
        this.#parts.clock.after(freedAgainMs, () => this.#freeing.delete(userId));
      });
    this.#freeing.set(userId, freeing);
    return freeing;
  }

  async #free(userId: string): Promise<boolean> {
    const { store } = this.#parts;
    const owned = (await store.upkeep.ownedBy(userId)).map((sha256) => ({ userId, sha256 }));
    const before = await store.look([], (tx) => tx.artifacts.heldBy(userId).sources);
    // Marked first, then looked for: what is asked for in between loses its mark.
    for (const page of pages(owned)) await this.#mark(page);
    const needed: Needed = { sha256s: new Map(), unclear: new Set() };
    // Jobs first, as below.
    await this.#noteJobs(needed, userId);
    const bots = await store.look([], (tx) => tx.bots.ofUser(userId));
    for (const bot of bots)
      for (const sealed of [bot.specSealed, bot.undo?.specSealed]) this.#note(needed, bot, sealed);
    const uploads: string[] = [];
    for (const page of pages(owned)) uploads.push(...(await this.#removeUnneeded(page, needed, 0)));
    inBackground(removeUploads(store, uploads, this.#stopping.signal), this.#report);
    return (await store.look([], (tx) => tx.artifacts.heldBy(userId).sources)) < before;
  }

  /** Those that are young are left alone. */
  #mark(page: readonly OwnedSource[]): Promise<void> {
    const now = this.#now();
    return this.#parts.store.change([], ({ artifacts }) => {
      for (const { userId, sha256 } of page) {
        const owner = artifacts.owner(userId, sha256);
        if (owner?.unneededAt === null && !isYoung(owner, now)) artifacts.setUnneeded(userId, sha256, now);
      }
    });
  }

  /** Of those, removes what has been unneeded for so long, and notes since when the others are. Returns uploads that nobody has any more. */
  #removeUnneeded(page: readonly OwnedSource[], needed: Needed, forMs: number): Promise<readonly string[]> {
    const now = this.#now();
    return this.#parts.store.change([], ({ artifacts }) => {
      const gone: string[] = [];
      for (const { userId, sha256 } of page) {
        const owner = artifacts.owner(userId, sha256);
        // It was removed meanwhile.
        if (owner === undefined) continue;
        const { unneededAt } = owner;
        if (isNeeded(needed, owner)) {
          if (unneededAt !== null) artifacts.touch(userId, sha256);
        } else if (unneededAt === null || unneededAt > now) {
          if (forMs > 0) artifacts.setUnneeded(userId, sha256, now);
        } else if (now - unneededAt >= forMs && !isYoung(owner, now)) gone.push(artifacts.disown(userId, sha256) ?? '');
      }
      return gone.filter((upload) => upload !== '');
    });
  }

  async #needed(): Promise<Needed> {
    const { store } = this.#parts;
    const needed: Needed = { sha256s: new Map(), unclear: new Set() };
    // Jobs first: what one hands to its bot meanwhile is seen there.
    await this.#noteJobs(needed);
    for (
      let after: BotKey | undefined = { userId: '', botId: '' };
      after !== undefined && !this.#isStopped;
      await nextTurn()
    ) {
      const bots = await store.upkeep.sealedBotsAfter(after, specsAtOnce);
      for (const bot of bots) for (const sealed of bot.sealed) this.#note(needed, bot, sealed);
      after = bots.length < specsAtOnce ? undefined : bots.at(-1);
    }
    return needed;
  }

  /** Those of one user, or of all. */
  async #noteJobs(needed: Needed, userId?: string): Promise<void> {
    for (let after: string | undefined = ''; after !== undefined && !this.#isStopped; await nextTurn()) {
      const jobs = await this.#parts.store.upkeep.sealedJobsAfter(after, specsAtOnce);
      for (const job of jobs) if (userId === undefined || job.userId === userId) this.#note(needed, job, job.sealed);
      after = jobs.length < specsAtOnce ? undefined : jobs.at(-1)?.jobId;
    }
  }

  #note({ sha256s, unclear }: Needed, bot: BotKey, sealed: Uint8Array | null | undefined): void {
    if (sealed === null || sealed === undefined) return;
    const spec = openSoundSpec(this.#parts.sealKey, bot, sealed);
    if (spec === undefined) return void unclear.add(bot.userId);
    const ofUser = sha256s.get(bot.userId) ?? new Set();
    sha256s.set(bot.userId, ofUser.add(artifactOf(spec) ?? ''));
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  #now(): number {
    const { clock, ageNowMs = () => clock.wallMs() } = this.#parts;
    return ageNowMs();
  }

  readonly #report = (error: unknown): void =>
    this.#parts.logger.warn({ err: error }, 'removing unused sources failed');
}

/** Its start may still be to come. */
const isYoung = ({ createdAt }: SourceOwner, now: number): boolean => now - createdAt < askedForMs;

const isNeeded = ({ sha256s, unclear }: Needed, { userId, sha256 }: OwnedSource): boolean =>
  unclear.has(userId) || sha256s.get(userId)?.has(sha256) === true;

function* pages(all: readonly OwnedSource[]): Generator<readonly OwnedSource[]> {
  for (let at = 0; at < all.length; at += artifactsAtOnce) yield all.slice(at, at + artifactsAtOnce);
}
