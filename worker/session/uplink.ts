/**
 * Keeps the worker in a session: dials one orchestrator after the other, with jitter, for as long as the worker lives.
 * What is said while there is no session is not lost where it matters: results are in the journal, observations are in
 * the next Hello. Progress is lost.
 */

import { inBackground } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { Secret } from '#common/secret.ts';
import { linkSignals, onAbort } from '#common/waiting/abort.ts';
import { pause } from '#common/waiting/bell.ts';
import type { BotState } from '#gen/botrunner/v1/bot_pb.js';
import type { LogEntry } from '#gen/botrunner/v1/log_pb.js';
import type {
  BotObservation,
  Heartbeat,
  Strays,
  StraysAdopted,
  TaskResult,
} from '#gen/botrunner/v1/worker_service_pb.js';
import type { TaskReports } from '../bots/active-task.ts';
import type { Credential } from '../state/credential.ts';
import { delayAfter } from './backoff.ts';
import { type Channel, createChannel, httpStatusOf, type ServiceError } from './channel.ts';
import { complaintOf, type SessionComplaint, unreachable } from './complaints.ts';
import type { Endpoint } from './endpoint.ts';
import { Outbox } from './outbox.ts';
import type { Probed } from './probe.ts';
import type { ResultJournal } from './result-journal.ts';
import { SentResults } from './sent-results.ts';
import { runSession } from './session.ts';
import { type SessionEnd, sessionEndOf } from './session-end.ts';
import type { WorkerCommands } from './worker-commands.ts';

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
  readonly results: SentResults;
  /** Aborted to begin a new session at once. */
  readonly renewed: AbortController;
}

export class Uplink implements TaskReports {
  readonly #parts: UplinkParts;
  readonly #ending = new AbortController();
  readonly #firstDial = Promise.withResolvers<FirstDial>();
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
  start(commands: WorkerCommands): void {
    this.#running = this.#run(commands);
  }

  /** Resolves when the first dial was answered, one way or the other; later ones are only logged. */
  get firstDial(): Promise<FirstDial> {
    return this.#firstDial.promise;
  }

  /** True between Welcome and the end of a session. */
  get connected(): boolean {
    return this.#welcomed;
  }

  /** Why there is no session, as last reported; empty while there is one. */
  get complaint(): string {
    if (this.#welcomed) return '';
    return this.#lastComplaint || 'the orchestrator has not answered yet';
  }

  /** The channel to the orchestrator of the present session. */
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
      this.#parts.journal.add(result).then(() => this.#current?.results.queue(result.taskId)),
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
    this.#current?.results.queue(taskId);
    return true;
  }

  /** Says how the worker is at once, instead of at the next heartbeat. */
  beat(heartbeat: Heartbeat): void {
    this.#current?.outbox.heartbeat(heartbeat);
  }

  async #run(commands: WorkerCommands): Promise<void> {
    const { endpoints, clock, random } = this.#parts;
    const { signal } = this.#ending;
    for (let turn = 0; !signal.aborted; turn += 1) {
      const endpoint = endpoints[turn % endpoints.length];
      if (!endpoint) throw new Error('no orchestrator to dial');
      const renewed = new AbortController();
      const end = await this.#dial(endpoint, commands, renewed);
      if (signal.aborted) return;
      if (renewed.signal.aborted) continue;
      if (end.kind === 'fenced') commands.hold(true);
      // One dial of each orchestrator in turn counts as one failure.
      const lap = Math.floor(this.#failures / endpoints.length);
      this.#note(endpoint, end);
      await pause(clock, delayAfter(end, lap, random()), signal);
    }
  }

  /**
   * One attempt: with the credential, and only where that is not known with the join token first. Every attempt is made so: an
   * orchestrator that did not know this worker once, because it had another store or token, may know it the next time.
   */
  async #dial(endpoint: Endpoint, commands: WorkerCommands, renewed: AbortController): Promise<SessionEnd> {
    const end = await this.#session(endpoint, commands, renewed, this.#isNew);
    this.#isNew = false;
    if (end.kind !== 'unknown' || this.#ending.signal.aborted || renewed.signal.aborted) return end;
    return this.#session(endpoint, commands, renewed, true);
  }

  async #session(
    endpoint: Endpoint,
    commands: WorkerCommands,
    renewed: AbortController,
    joinFirst: boolean,
  ): Promise<SessionEnd> {
    const { credential, clock, logger, roots, journal } = this.#parts;
    const channel = createChannel(endpoint, credential.value, roots);
    const outbox = new Outbox();
    const results = new SentResults(journal, outbox, clock);
    this.#current = { channel, outbox, results, renewed };
    using either = linkSignals(this.#ending.signal, renewed.signal);
    const { signal } = either;
    try {
      const refused = joinFirst ? await this.#join(channel, signal) : undefined;
      if (refused) return refused;
      const onWelcome = () => this.#welcome(endpoint);
      return await runSession({ channel, outbox, results, commands, onWelcome, clock, logger }, signal);
    } finally {
      this.#current = undefined;
      this.#welcomed = false;
      channel.close();
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
      return sessionEndOf(error as ServiceError, 'join'); // what a call of grpc-js rejects with
    } finally {
      letGo();
    }
  }

  #welcome(endpoint: Endpoint): void {
    const { logger, workerId } = this.#parts;
    this.#welcomed = true;
    this.#failures = 0;
    this.#complaints.clear();
    logger.info({ orchestrator: endpoint.url, workerId }, 'connected to the orchestrator');
    this.#firstDial.resolve({ kind: 'connected' });
  }

  #note(endpoint: Endpoint, end: SessionEnd): void {
    const { workerId } = this.#parts;
    if (end.kind !== 'fenced' && end.kind !== 'unknown') this.#firstDial.resolve(end);
    if (end.kind === 'lost' && end.welcomed) this.#failures = 0;
    else this.#failures += 1;
    if (end.kind === 'lost' && !end.welcomed) this.#beginToExplain(endpoint, end.message);
    else this.#say(endpoint, complaintOf(endpoint, workerId, end));
  }

  /** Runs beside the next attempts, which must not wait for it. One look at a time. */
  #beginToExplain(endpoint: Endpoint, message: string): void {
    if (this.#explaining) return;
    this.#explaining = true;
    const explained = this.#explain(endpoint, message).finally(() => {
      this.#explaining = false;
    });
    inBackground(explained, (error) => {
      this.#parts.logger.warn({ err: error }, 'why the orchestrator cannot be reached could not be found out');
    });
  }

  async #explain(endpoint: Endpoint, message: string): Promise<void> {
    const httpStatus = httpStatusOf({ details: message });
    const why: Probed | undefined =
      httpStatus === undefined
        ? await this.#parts.probe(endpoint, this.#ending.signal)
        : { failure: 'not-an-orchestrator', detail: `HTTP status ${httpStatus}` };
    if (this.#ending.signal.aborted || this.#welcomed) return;
    this.#say(endpoint, { isError: false, text: unreachable(endpoint, why) });
  }

  #say(endpoint: Endpoint, { text, isError }: SessionComplaint): void {
    const { logger } = this.#parts;
    this.#lastComplaint = text;
    // Once for each change, not for each try.
    if (this.#complaints.get(endpoint.url) === text) return;
    this.#complaints.set(endpoint.url, text);
    if (isError) logger.error(text);
    else logger.warn(text);
  }
}
