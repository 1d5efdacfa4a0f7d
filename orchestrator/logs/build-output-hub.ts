/**
 * Build output on its way to people who watch a job. The newest lines of open jobs are kept, so that a watcher who comes
 * a moment after the start misses nothing; the whole output is in the bot's log.
 */
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';
import { Hub, type Subscription } from './hub.ts';

const keptLines = 1_000;
const keptJobs = 200;
const nothing: readonly LogEntry[] = [];

export class BuildOutputHub {
  readonly #hub = new Hub<readonly LogEntry[]>();
  readonly #kept = new Map<string, LogEntry[]>();
  /** Of what is kept, as it was given out last. */
  readonly #copies = new WeakMap<readonly LogEntry[], readonly LogEntry[]>();

  add(jobId: string, entries: readonly LogEntry[]): void {
    if (entries.length === 0) return;
    const kept = this.#kept.get(jobId) ?? [];
    kept.push(...entries.slice(-keptLines));
    if (kept.length > keptLines) kept.splice(0, kept.length - keptLines);
    this.#kept.set(jobId, kept);
    this.#copies.delete(kept);
    const oldest = this.#kept.keys().next();
    if (this.#kept.size > keptJobs && !oldest.done) this.#kept.delete(oldest.value);
    this.#hub.publish(jobId, entries);
  }

  /** What there is so far, and what comes; no line is in both. */
  watch(
    jobId: string,
    signal: AbortSignal,
  ): { readonly soFar: readonly LogEntry[]; readonly live: Subscription<readonly LogEntry[]> } {
    return { soFar: this.#soFar(jobId), live: this.#hub.subscribe(jobId, signal) };
  }

  /** The same array for all who come before there is more. */
  #soFar(jobId: string): readonly LogEntry[] {
    const kept = this.#kept.get(jobId);
    if (kept === undefined) return nothing;
    const copy = this.#copies.get(kept) ?? [...kept];
    this.#copies.set(kept, copy);
    return copy;
  }

  /** The job is final. */
  forget(jobId: string): void {
    this.#kept.delete(jobId);
  }
}
