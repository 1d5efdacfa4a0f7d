/** What the doors hand to the engine. */
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import type { JobInput } from '../core/job-params.ts';

/** A request that passed its validator. */
export interface NewJob {
  readonly userId: string;
  readonly blueprint: string;
  readonly input: JobInput;
  /** Empty for list and for jobs that are about no bot. */
  readonly botId: string;
  /** For start and update. */
  readonly spec?: { readonly spec: BotSpec; readonly mode: string; readonly artifactSha256: string };
  /** An artifact that came with the request; stored with the job, in one commit. */
  readonly artifact?: {
    readonly sha256: string;
    readonly bytes: Uint8Array;
    /** sha256 of each Telegram token in its code. */
    readonly tokenSha256s: readonly string[];
  };
  /**
   * A stop of a bot that is not there becomes a job that fails, instead of being refused: the original's command line stops
   * before it updates, continues after a stop that failed, and ends at any refusal.
   */
  readonly absentFails?: boolean;
  readonly idempotency?: { readonly key: string; readonly bodySha256: string };
}
