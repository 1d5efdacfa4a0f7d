/**
 * How much the ended jobs of each user take, and which of them ended first: in memory, as event-index.ts and for the same reason.
 *
 * Invariant: every ended job on disk is here, and no other.
 */

export interface EndedJob {
  readonly jobId: string;
  readonly userId: string;
  readonly bytes: number;
}

interface UserJobs {
  /** By id, the one that ended first in front. */
  readonly bytesOf: Map<string, number>;
  bytes: number;
}

export class JobIndex {
  readonly #users = new Map<string, UserJobs>();

  add({ jobId, userId, bytes }: EndedJob): void {
    const user = this.#users.get(userId) ?? { bytesOf: new Map(), bytes: 0 };
    this.#users.set(userId, user);
    user.bytes += bytes - (user.bytesOf.get(jobId) ?? 0);
    user.bytesOf.set(jobId, bytes);
  }

  forget({ jobId, userId }: Pick<EndedJob, 'jobId' | 'userId'>): void {
    const user = this.#users.get(userId);
    const bytes = user?.bytesOf.get(jobId);
    if (user === undefined || bytes === undefined) return;
    user.bytes -= bytes;
    user.bytesOf.delete(jobId);
    if (user.bytesOf.size === 0) this.#users.delete(userId);
  }

  of(userId: string): { readonly jobs: number; readonly bytes: number } {
    const user = this.#users.get(userId);
    return { jobs: user?.bytesOf.size ?? 0, bytes: user?.bytes ?? 0 };
  }

  /** Of users that have more than they may, the jobs that ended first and are too many: at most `limit`. */
  beyond(bytesMax: (userId: string) => number, limit: number): readonly Pick<EndedJob, 'jobId' | 'userId'>[] {
    const found: { jobId: string; userId: string }[] = [];
    for (const [userId, { bytesOf, bytes }] of this.#users) {
      let left = bytes;
      const most = bytesMax(userId);
      for (const [jobId, size] of bytesOf) {
        if (left <= most || found.length >= limit) break;
        left -= size;
        found.push({ jobId, userId });
      }
      if (found.length >= limit) break;
    }
    return found;
  }
}
