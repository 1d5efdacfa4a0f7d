/** What the doors hand to the engine. */
import type { JsonObject } from '#common/problem.ts';
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import type { Action, SpecChange } from '../core/validate/bot-request.ts';

/** A request that passed its validator. */
export interface NewJob {
  readonly userId: string;
  readonly blueprint: string;
  /** Empty for blueprints without actions. */
  readonly action: Action | '';
  /** Empty for list and for jobs that are about no bot. */
  readonly botId: string;
  /** For start and update. */
  readonly spec?: { readonly spec: BotSpec; readonly mode: string; readonly artifactSha256: string };
  /** For start and update: what it takes from what the bot has. */
  readonly change?: SpecChange;
  /** An artifact that came with the request; stored with the job, in one commit. */
  readonly artifact?: {
    readonly sha256: string;
    readonly bytes: Uint8Array;
    /** sha256 of each Telegram token in its code. */
    readonly tokenSha256s: readonly string[];
  };
  /** Stops the bot that has the Telegram token of the spec, instead of refusing. */
  readonly takeover?: boolean;
  /**
   * A stop of a bot that is not there becomes a job that fails, instead of being refused: the original's command line stops
   * before it updates, continues after a stop that failed, and ends at any refusal.
   */
  readonly absentFails?: boolean;
  readonly params?: JsonObject;
  readonly idempotency?: { readonly key: string; readonly bodySha256: string };
}
