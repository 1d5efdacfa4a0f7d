/**
 * Keeps the worker in a session: dials one orchestrator after the other, with jitter, for as long as the worker lives.
 * What is said while there is no session is not lost where it matters: results are in the journal, observations are in
 * the next Hello. Progress is.
 */

import { inBackground } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import { describeConnectionFailure } from '#common/connection-failure.ts';
import type { Logger } from '#common/log.ts';
import type { Secret } from '#common/secret.ts';
import { linkSignals, onAbort } from '#common/waiting/abort.ts';
import { pause } from '#common/waiting/bell.ts';
import type { BotState } from '#gen/botrunner/v1/bot_pb.js';
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';
import type {
  AdoptStrays,
  BotObservation,
  DesiredSet,
  Ensure,
  Heartbeat,
  Hello,
  OpenTail,
  Strays,
  StraysAdopted,
  TaskResult,
} from '#gen/botrunner/v1/worker_service_pb.js';
import type { TaskReports } from '../bots/active-task.ts';
import type { Endpoint } from '../config.ts';
import type { Credential } from '../state/credential.ts';
import { dialDelayMs, fencedDelayMs, refusedDelayMs } from './backoff.ts';
import { type Channel, createChannel, httpStatusOf, refusalOf, type ServiceError, status } from './channel.ts';
import { Outbox } from './outbox.ts';
import type { Probed } from './probe.ts';
import type { ResultJournal } from './result-journal.ts';
import { runSession, type SessionEnd, type SessionWork } from './session.ts';

/** The rest of the worker, as a session sees it. */
export interface UplinkWork {
  hello(): Hello;
  heartbeat(): Heartbeat;
  /** Why the orchestrator with this store must not be obeyed. */
  objectionTo(storeId: string): string | undefined;
  /** `anew`: the first set of a session. */
  applyDesiredSet(set: DesiredSet, anew: boolean): void;
  ensure(ensure: Ensure): void;
  cancelTask(taskId: string): void;
  /** True: another process is this worker, so leave its bots as they are; false: this one is it again. */
  hold(held: boolean): void;
  openTail(channel: Channel, tail: OpenTail, signal: AbortSignal): void;
  /** Containers on the engine that are not this worker's. */
  strays(): Strays;
  adopt(decision: AdoptStrays): void;
}

export interface UplinkParts {
  readonly endpoints: readonly Endpoint[];
  /** Lets a worker in that the orchestrator does not know yet. */
  readonly joinToken: Secret;
  readonly credential: Credential;
  readonly workerId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly journal: ResultJournal;
  /** Finds out why an orchestrator cannot be dialled. */
  readonly probe: (endpoint: Endpoint, signal: AbortSignal) => Promise<Probed | undefined>;
  /** The certificate authorities to trust, in PEM; null for the usual ones. */
  readonly roots: () => Buffer | null;
}

/** How the first dial went. */
export type FirstDial = { readonly kind: 'connected' } | Exclude<SessionEnd, { kind: 'fenced' | 'unknown' }>;

interface Current {
  readonly channel: Channel;
  readonly outbox: Outbox;
  /** Aborted when the session is over. */
  readonly over: AbortController;
  /** Aborted to begin a new session at once. */
  readonly renewed: AbortController;
}

const resendResultMs = 10_000;

export class Uplink implements TaskReports {
  readonly #parts: UplinkParts;
  readonly #ending = new AbortController();
  readonly #firstDial = Promise.withResolvers<FirstDial>();
  readonly #resultSentAt = new Map<string, number>();
  #current: Current | undefined;
  #welcomed = false;
  /** Whether the credential is so new that no orchestrator can know it. */
  #isNew: boolean;
  #failures = 0;
  /** What was said last about each orchestrator, by its URL. */
  readonly #complaints = new Map<string, string>();
  #lastComplaint = '';
  #explaining = false;
  #running: Promise<void> = Promise.resolve();

  constructor(parts: UplinkParts) {
    this.#parts = parts;
    this.#isNew = parts.credential.isNew;
  }

  /** Dials from now on until stopped. */
  start(work: UplinkWork): void {
    this.#running = this.#run(work);
  }

  /** Resolves when the first dial was answered, one way or the other; later ones are only logged. */
  get firstDial(): Promise<FirstDial> {
    return this.#firstDial.promise;
  }

  /** True between Welcome and the end of a session. */
  get connected(): boolean {
    return this.#welcomed;
  }

  /** Why there is no session, as told last; empty while there is one. */
  get complaint(): string {
    if (this.#welcomed) return '';
    return this.#lastComplaint || 'the orchestrator has not answered yet';
  }

  /** The way to the orchestrator of the session there is. */
  get channel(): Channel | undefined {
    return this.#welcomed ? this.#current?.channel : undefined;
  }

  /** Ends the session and begins a new one at once: what Hello said is no longer true. */
  renew(): void {
    this.#current?.renewed.abort(new Error('the session starts over'));
  }

  async stop(): Promise<void> {
    this.#ending.abort(new Error('the worker is stopping'));
    await this.#running;
  }

  accepted(taskId: string): void {
    this.#current?.outbox.accepted(taskId);
  }

  progress(taskId: string, state: BotState, message: string, output: readonly LogEntry[]): void {
    this.#current?.outbox.progress(taskId, state, message, output, this.#parts.clock.wallMs());
  }

  ended(result: TaskResult): void {
    // On disk before it is sent: a result the orchestrator acts on is one this worker stands by after a crash, too.
    inBackground(
      this.#parts.journal.add(result).then(() => this.#queueResult(result.taskId)),
      (error) =>
        this.#parts.logger.error({ err: error }, 'a result could not be queued; it is sent in the next session'),
    );
  }

  observed(observation: BotObservation): void {
    this.#current?.outbox.observed(observation);
  }

  strays(strays: Strays): void {
    if (this.#welcomed) this.#current?.outbox.strays(strays);
  }

  adopted(adopted: StraysAdopted): void {
    this.#current?.outbox.adopted(adopted);
  }

  /** Sends a result once more, if the task has ended. */
  resendResult(taskId: string): boolean {
    if (!this.#parts.journal.get(taskId)) return false;
    this.#queueResult(taskId);
    return true;
  }

  /** Says how the worker is at once, instead of at the next heartbeat. */
  beat(heartbeat: Heartbeat): void {
    this.#current?.outbox.heartbeat(heartbeat);
  }

  async #run(work: UplinkWork): Promise<void> {
    const { endpoints, clock, random } = this.#parts;
    const { signal } = this.#ending;
    for (let turn = 0; !signal.aborted; turn += 1) {
      const endpoint = endpoints[turn % endpoints.length];
      if (!endpoint) throw new Error('no orchestrator to dial');
      const renewed = new AbortController();
      const end = await this.#dial(endpoint, work, renewed);
      if (signal.aborted) return;
      if (renewed.signal.aborted) continue;
      if (end.kind === 'fenced') work.hold(true);
      // One dial of each orchestrator in turn counts as one failure.
      const lap = Math.floor(this.#failures / endpoints.length);
      this.#note(endpoint, end);
      await pause(clock, delayAfter(end, lap, random()), signal);
    }
  }

  /**
   * One try: with the credential, and only where that is not known with the join token first. Every try is made so: an
   * orchestrator that did not know this worker once, because it had another store or token, may know it the next time.
   */
  async #dial(endpoint: Endpoint, work: UplinkWork, renewed: AbortController): Promise<SessionEnd> {
    const end = await this.#session(endpoint, work, renewed, this.#isNew);
    this.#isNew = false;
    if (end.kind !== 'unknown' || this.#ending.signal.aborted || renewed.signal.aborted) return end;
    return this.#session(endpoint, work, renewed, true);
  }

  async #session(
    endpoint: Endpoint,
    work: UplinkWork,
    renewed: AbortController,
    joinFirst: boolean,
  ): Promise<SessionEnd> {
    const { credential, clock, logger, roots } = this.#parts;
    const over = new AbortController();
    const current: Current = {
      channel: createChannel(endpoint, credential.value, roots),
      outbox: new Outbox(),
      over,
      renewed,
    };
    this.#current = current;
    using either = linkSignals(this.#ending.signal, renewed.signal);
    const { signal } = either;
    try {
      const refused = joinFirst ? await this.#join(current.channel, signal) : undefined;
      if (refused) return refused;
      const parts = { channel: current.channel, outbox: current.outbox, clock, logger };
      return await runSession({ ...parts, work: this.#sessionWork(endpoint, current, work) }, signal);
    } finally {
      this.#current = undefined;
      this.#welcomed = false;
      over.abort(new Error('the session has ended'));
      current.channel.close();
    }
  }

  /** Makes the credential known. Returns why not, if it could not. */
  async #join(channel: Channel, signal: AbortSignal): Promise<SessionEnd | undefined> {
    const { joinToken, credential, workerId } = this.#parts;
    // Ends the call with the session, whose channel is closed then.
    const letGo = onAbort(signal, () => channel.close());
    try {
      await channel.join(joinToken, { workerId, credentialSha256: credential.sha256 });
      return undefined;
    } catch (error) {
      return notJoined(error as ServiceError); // what a call of grpc-js rejects with
    } finally {
      letGo();
    }
  }

  #sessionWork(endpoint: Endpoint, current: Current, work: UplinkWork): SessionWork {
    const { journal, clock, logger, workerId } = this.#parts;
    return {
      hello: () => work.hello(),
      heartbeat: () => work.heartbeat(),
      objectionTo: ({ storeId }) => work.objectionTo(storeId),
      welcomed: (set) => {
        this.#welcomed = true;
        work.hold(false);
        this.#failures = 0;
        this.#complaints.clear();
        logger.info({ orchestrator: endpoint.url, workerId }, 'connected to the orchestrator');
        this.#firstDial.resolve({ kind: 'connected' });
        this.#resultSentAt.clear();
        for (const taskId of journal.pending) this.#queueResult(taskId);
        current.outbox.strays(work.strays());
        if (set) work.applyDesiredSet(set, true);
      },
      applyDesiredSet: (set) => work.applyDesiredSet(set, false),
      ensure: (ensure) => work.ensure(ensure),
      cancelTask: (taskId) => work.cancelTask(taskId),
      openTail: (tail) => work.openTail(current.channel, tail, current.over.signal),
      adopt: (decision) => work.adopt(decision),
      acknowledged: (taskId) => {
        journal.acknowledge(taskId);
        this.#resultSentAt.delete(taskId);
      },
      resultOf: (taskId) => journal.get(taskId),
      resendResults: () => {
        const now = clock.monotonicMs();
        for (const taskId of journal.pending) {
          const sentAt = this.#resultSentAt.get(taskId);
          if (sentAt !== undefined && now - sentAt >= resendResultMs) this.#queueResult(taskId);
        }
      },
    };
  }

  #queueResult(taskId: string): void {
    if (!this.#current) return;
    this.#resultSentAt.set(taskId, this.#parts.clock.monotonicMs());
    this.#current.outbox.result(taskId);
  }

  #note(endpoint: Endpoint, end: SessionEnd): void {
    const { workerId } = this.#parts;
    if (end.kind !== 'fenced' && end.kind !== 'unknown') this.#firstDial.resolve(end);
    if (end.kind === 'lost' && end.welcomed) this.#failures = 0;
    else this.#failures += 1;
    if (end.kind === 'lost' && !end.welcomed) void this.#explain(endpoint, end.message);
    else this.#say(endpoint, complaintOf(endpoint, workerId, end));
  }

  /** Beside the next tries, which must not wait for it. One look at a time. */
  async #explain(endpoint: Endpoint, message: string): Promise<void> {
    if (this.#explaining) return;
    this.#explaining = true;
    const httpStatus = httpStatusOf({ details: message });
    const why: Probed | undefined =
      httpStatus === undefined
        ? await this.#parts.probe(endpoint, this.#ending.signal)
        : { failure: 'not-an-orchestrator', detail: `HTTP status ${httpStatus}` };
    this.#explaining = false;
    if (this.#ending.signal.aborted || this.#welcomed) return;
    this.#say(endpoint, { isError: false, text: unreachable(endpoint, why) });
  }

  #say(endpoint: Endpoint, { text, isError }: Complaint): void {
    const { logger } = this.#parts;
    this.#lastComplaint = text;
    // Once for each change, not for each try.
    if (this.#complaints.get(endpoint.url) === text) return;
    this.#complaints.set(endpoint.url, text);
    if (isError) logger.error(text);
    else logger.warn(text);
  }
}

function delayAfter(end: SessionEnd, failures: number, random: number): number {
  switch (end.kind) {
    case 'fenced':
      return fencedDelayMs(random);
    case 'refused':
    case 'unknown':
    case 'disobeyed':
      return refusedDelayMs(failures, random);
    case 'lost':
      return dialDelayMs(failures, random);
  }
}

/** How a Join that failed ends the try. */
function notJoined(error: ServiceError): SessionEnd {
  const { code, details } = error;
  if (httpStatusOf(error) !== undefined) return { kind: 'lost', message: details, welcomed: false };
  switch (code) {
    case status.UNAUTHENTICATED:
      return { kind: 'refused', ...refusalOf(error), tokenWrong: true };
    case status.PERMISSION_DENIED:
    case status.INVALID_ARGUMENT:
    case status.UNIMPLEMENTED:
      return { kind: 'refused', ...refusalOf(error), tokenWrong: false };
    default:
      return { kind: 'lost', message: details || status[code] || 'no answer', welcomed: false };
  }
}

/** One line that says what is wrong and what to do about it. */
export interface Complaint {
  readonly text: string;
  readonly isError: boolean;
}

function unreachable({ url }: Pick<Endpoint, 'url'>, why: Probed | undefined): string {
  const words = why && describeConnectionFailure(why.failure, { url, setting: 'ORCHESTRATOR_URL', ...why });
  const cure = words === undefined ? '' : `${words.cure.charAt(0).toLowerCase()}${words.cure.slice(1, -1)}`;
  const reason = words === undefined ? 'check that it runs and ORCHESTRATOR_URL' : `${words.sentence}; ${cure}`;
  return `the orchestrator at ${url} cannot be reached: ${reason}; retrying`;
}

export function complaintOf(endpoint: Pick<Endpoint, 'url'>, workerId: string, end: SessionEnd): Complaint {
  switch (end.kind) {
    case 'refused':
      return {
        isError: true,
        text: end.tokenWrong
          ? `the orchestrator at ${endpoint.url} refuses the worker token: set WORKER_TOKEN to the orchestrator's`
          : `the orchestrator at ${endpoint.url} refuses this worker: ${[end.message, end.hint].filter(Boolean).join(' ')}`,
      };
    case 'unknown':
      return {
        isError: true,
        text: `the orchestrator at ${endpoint.url} forgot this worker right after it had joined; retrying`,
      };
    case 'disobeyed':
      return { isError: true, text: `the orchestrator at ${endpoint.url} is not followed: ${end.message}` };
    case 'fenced':
      return {
        isError: true,
        text:
          `another process has connected as worker ${workerId}: this one reports nothing and leaves its bots alone ` +
          `until the other is gone; give each its own WORKER_ID and DATA_DIR`,
      };
    case 'lost':
      return {
        isError: false,
        text: end.welcomed
          ? `the connection to the orchestrator at ${endpoint.url} was lost; bots keep running, reconnecting`
          : unreachable(endpoint, undefined),
      };
  }
}
