/**
 * What a work needs loaded. One want is a group of rows that are looked up together: those of a kind that have one thing in common.
 * Naming wants saves round trips, no more: a work that touches what is not loaded is run again when it is.
 */
import { type BotKey, botKeyText } from '#common/ids.ts';

export interface Want {
  /** The kind of rows, as in the workspace. */
  readonly rows: string;
  /** What they have in common: `key` for the one row of that key, or the name of an index. */
  readonly by: string;
  /** The value of that. */
  readonly is: string;
}

export const wantText = ({ rows, by, is }: Want): string => `${rows} ${by} ${is}`;

/** Thrown by a look-up of rows that are not loaded. Not an error: whoever runs the work loads them and runs it again. */
export class NotLoaded extends Error {
  readonly want: Want;

  constructor(want: Want) {
    super(`not loaded: ${wantText(want)}`);
    this.name = 'NotLoaded';
    this.want = want;
  }
}

export const wantBot = (bot: BotKey): Want => ({ rows: 'bots', by: 'key', is: botKeyText(bot) });
export const wantJob = (jobId: string): Want => ({ rows: 'jobs', by: 'key', is: jobId });
export const wantTask = (taskId: string): Want => ({ rows: 'tasks', by: 'key', is: taskId });
export const wantWorker = (workerId: string): Want => ({ rows: 'workers', by: 'key', is: workerId });
export const wantBotsOfUser = (userId: string): Want => ({ rows: 'bots', by: 'user', is: userId });
export const wantBotsOfWorker = (workerId: string): Want => ({ rows: 'bots', by: 'worker', is: workerId });
export const wantIdempotencyKey = (userId: string, key: string): Want => ({
  rows: 'idempotency',
  by: 'key',
  is: `${userId} ${key}`,
});
export const wantArtifact = (sha256: string): Want => ({ rows: 'artifacts', by: 'key', is: sha256 });
