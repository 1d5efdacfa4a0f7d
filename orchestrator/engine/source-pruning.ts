/**
 * Removes sources that nobody needs any more. Needed are those of all bots there are, whatever their state, of what a bot may
 * go back to, and of open jobs; the rest goes a day after it was seen to be needed last.
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
import type { Store } from '../store/store.ts';
import { wantArtifact } from '../store/want.ts';
import { openSoundSpec } from './specs.ts';

const lookMs = 60 * 60 * 1000;
const keptMs = 24 * 60 * 60 * 1000;
// Per turn: some milliseconds each.
const specsAtOnce = 100;
const artifactsAtOnce = 500;
const chunksAtOnce = 32;
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
  readonly sha256s: ReadonlySet<string>;
  /** Users whose needs cannot be determined. */
  readonly unclear: ReadonlySet<string>;
}

export class SourcePruning {
  readonly #parts: SourcePruningParts;
  #stop: () => void = () => undefined;
  #stopped = false;

  constructor(parts: SourcePruningParts) {
    this.#parts = parts;
  }

  /** Looks now and every hour. */
  run(): void {
    const { clock, logger } = this.#parts;
    const report = (error: unknown) => logger.warn({ err: error }, 'removing unused sources failed');
    inBackground(this.prune(), report);
    this.#stop = repeat(clock, lookMs, () => this.prune(), report);
  }

  stop(): void {
    this.#stopped = true;
    this.#stop();
  }

  async prune(): Promise<void> {
    const { store, clock, logger, ageNowMs = () => clock.wallMs() } = this.#parts;
    const needed = await this.#needed();
    const uploads: string[] = [];
    for (let after: string | undefined = ''; after !== undefined && !this.#stopped; ) {
      const from: string = after;
      const now = ageNowMs();
      const page = await store.upkeep.artifactsAfter(from, artifactsAtOnce);
      const removed = await store.change(page.map(wantArtifact), ({ artifacts }) => {
        const gone: string[] = [];
        for (const sha256 of page) {
          const unneededAt = artifacts.get(sha256)?.unneededAt;
          // It was removed meanwhile.
          if (unneededAt === undefined) continue;
          if (this.#isNeeded(needed, sha256, artifacts.ownersOf(sha256))) {
            if (unneededAt !== null) artifacts.touch(sha256);
          } else if (unneededAt === null || unneededAt > now) artifacts.setUnneeded(sha256, now);
          else if (now - unneededAt >= keptMs) gone.push(artifacts.remove(sha256) ?? '');
        }
        return gone;
      });
      uploads.push(...removed);
      after = page.length < artifactsAtOnce ? undefined : page.at(-1);
      await nextTurn();
    }
    for (const upload of uploads) await this.#while(() => store.upkeep.removeChunks(upload, chunksAtOnce));
    if (uploads.length > 0) logger.info({ sources: uploads.length }, 'unused sources were removed');
    // After events and jobs were removed, too.
    while (!this.#stopped && (await store.upkeep.shrink(pagesAtOnce))) await nextTurn();
  }

  #isNeeded({ sha256s, unclear }: Needed, sha256: string, owners: readonly string[]): boolean {
    return sha256s.has(sha256) || owners.some((owner) => unclear.has(owner));
  }

  async #needed(): Promise<Needed> {
    const { store, sealKey } = this.#parts;
    const sha256s = new Set<string>();
    const unclear = new Set<string>();
    const look = (bot: BotKey, sealed: Uint8Array) => {
      const spec = openSoundSpec(sealKey, bot, sealed);
      if (spec === undefined) unclear.add(bot.userId);
      else sha256s.add(artifactOf(spec) ?? '');
    };
    // Jobs first: what one hands to its bot meanwhile is seen there.
    for (let after: string | undefined = ''; after !== undefined && !this.#stopped; await nextTurn()) {
      const jobs = await store.upkeep.sealedJobsAfter(after, specsAtOnce);
      for (const job of jobs) look(job, job.sealed);
      after = jobs.length < specsAtOnce ? undefined : jobs.at(-1)?.jobId;
    }
    for (
      let after: BotKey | undefined = { userId: '', botId: '' };
      after !== undefined && !this.#stopped;
      await nextTurn()
    ) {
      const bots = await store.upkeep.sealedBotsAfter(after, specsAtOnce);
      for (const bot of bots) for (const sealed of bot.sealed) look(bot, sealed);
      after = bots.length < specsAtOnce ? undefined : bots.at(-1);
    }
    return { sha256s, unclear };
  }

  async #while(remove: () => Promise<number>): Promise<void> {
    while (!this.#stopped && (await remove()) > 0) await nextTurn();
  }
}
