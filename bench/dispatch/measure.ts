/** One run of one contestant: a closed loop of clients for some seconds, and what came of it. */

import { cpuMs, rssBytes } from '../process-usage.ts';
import { quantile } from '../quantile.ts';
import { type Contestant, preciseNow, type Running } from './contestant.ts';

export interface Figures {
  readonly jobs: number;
  readonly perSecond: number;
  /** Handed over -> in the handler, ms. */
  readonly p50: number;
  readonly p99: number;
  /** Handed over -> acknowledged, ms. */
  readonly ackP50: number;
  /** CPU of the servers for each job, ms. */
  readonly serverCpu: number;
  /** The same, including the senders and handlers of the jobs. */
  readonly allCpu: number;
  /** As a share of a core. */
  readonly serverLoad: number;
  readonly rssMb: number;
}

/** A contestant that runs, with the ears for its jobs. */
export class Entry {
  readonly contestant: Contestant;
  readonly #waiting = new Map<string, (at: number) => void>();
  #starting: Promise<Running> | undefined;
  #stopping: Promise<void> | undefined;
  #running: Running | undefined;

  constructor(contestant: Contestant) {
    this.contestant = contestant;
  }

  async start(): Promise<void> {
    this.#starting = this.contestant.start((job, at) => {
      const told = this.#waiting.get(job);
      this.#waiting.delete(job);
      // It may have come before its name was known here.
      if (told === undefined) this.#early.set(job, at);
      else told(at);
    });
    this.#running = await this.#starting;
  }

  readonly #early = new Map<string, number>();

  /** Safe to repeat: all wait for the same end. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => (await this.#starting?.catch(() => undefined))?.stop())();
    return this.#stopping;
  }

  async run(outstanding: number, seconds: number): Promise<Figures> {
    const running = this.#running;
    if (running === undefined) throw new Error('it was not started');
    this.#early.clear();
    const latencies: number[] = [];
    const acks: number[] = [];
    const servers = () => running.serverPids().reduce((sum, pid) => sum + cpuMs(pid), 0);
    const others = () => cpuMs(running.handlerPid) + ownCpuMs();
    const [serversBefore, othersBefore, begun] = [servers(), others(), preciseNow()];
    const until = begun + seconds * 1000;
    const client = async (number: number) => {
      while (preciseNow() < until) {
        const handedOver = preciseNow();
        let arrival: Promise<number> | undefined;
        await running.submit(number, outstanding, (job) => {
          arrival = this.#arrivalOf(job);
        });
        acks.push(preciseNow() - handedOver);
        latencies.push(((await arrival) ?? Number.NaN) - handedOver);
      }
    };
    await inTime(Promise.all(Array.from({ length: outstanding }, (_, number) => client(number))), seconds);
    const wallMs = preciseNow() - begun;
    const serverMs = servers() - serversBefore;
    const jobs = latencies.length;
    return {
      jobs,
      perSecond: (jobs / wallMs) * 1000,
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      ackP50: quantile(acks, 0.5),
      serverCpu: serverMs / jobs,
      allCpu: (serverMs + others() - othersBefore) / jobs,
      serverLoad: serverMs / wallMs,
      rssMb: running.serverPids().reduce((sum, pid) => sum + Math.round(rssBytes(pid) / 2 ** 20), 0),
    };
  }

  #arrivalOf(job: string): Promise<number> {
    const early = this.#early.get(job);
    if (early !== undefined) {
      this.#early.delete(job);
      return Promise.resolve(early);
    }
    return new Promise((resolve) => this.#waiting.set(job, resolve));
  }
}

// A job that does not arrive would hold everything up for ever.
const graceSeconds = 120;

async function inTime(run: Promise<unknown>, seconds: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => {
      late.reject(new Error(`some jobs had not arrived ${graceSeconds} s after the end of the round`));
    },
    (seconds + graceSeconds) * 1000,
  );
  try {
    await Promise.race([run, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
