/** What a command reports on stderr while it works. */
import type { Job } from '#gen/botrunner/v1/job_pb.js';
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';

export interface Progress {
  /** Something was done. */
  note(text: string): void;
  /** The awaited job, on every change. */
  job(job: Job): void;
  buildOutput(entries: readonly LogEntry[]): void;
  /** The connection is gone and is being opened again. */
  reconnecting(): void;
  /** No more progress will come; the terminal is left clean. Calling it twice is harmless. */
  end(): void;
}
