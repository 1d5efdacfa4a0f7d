/** What `bench/dispatch.ts` compares: ways to hand a job of 1 KiB to a handler in another process. */

/** A job is named by a number; its contestant knows what to do with it. */
export interface Contestant {
  /** As in the table. */
  readonly name: string;
  /** What is on disk when a job is acknowledged. */
  readonly durable: string;
  /** Starts its servers and the process of its handler, and fills them. */
  start(arrived: Arrived): Promise<Running>;
}

/** A job has reached its handler; `at` in ms since 1970, by the clock that both processes share. */
export type Arrived = (job: string, at: number) => void;

export interface Running {
  /**
   * Hands a job over by one of the `outstanding` clients that are at work. Resolves when the job is acknowledged, with
   * the name by which its arrival is reported; that report may come first.
   */
  submit(client: number, outstanding: number, expect: (job: string) => void): Promise<void>;
  /** The servers' pids, for the cost of the jobs besides those who sent and handled them. */
  readonly serverPids: () => readonly number[];
  readonly handlerPid: number;
  stop(): Promise<void>;
}

export const payload = 'x'.repeat(1024);

/** Milliseconds since 1970 with fractions. */
export const preciseNow = (): number => performance.timeOrigin + performance.now();
