/**
 * One actor per bot: takes what the bot should be, looks at what it is, and does one step after the other until both agree.
 *
 * 1. Steps run one at a time; only the making of an image continues beside them.
 * 2. What comes in (a command, a hint, a timer) only changes what is known and wakes the loop; converge.ts decides.
 * 3. What is decided is on disk before anything is done about it.
 * 4. A transient failure of a step says nothing about the container: it is looked at again.
 */

import { inBackground } from '#common/background.ts';
import type { BotKey } from '#common/ids.ts';
import { problem } from '#common/problem.ts';
import { Bell } from '#common/waiting/bell.ts';
import type { BotObservation } from '#gen/botrunner/v1/worker_service_pb.js';
import { readOutput } from '../diagnosis/diagnosis.ts';
import type { ContainerFacts, DiskMeasure, RuntimeEvent } from '../runtime/container-runtime.ts';
import type { Stray } from '../runtime/strays.ts';
import { type ActiveTask, beginTask, type TaskEnd } from './active-task.ts';
import type { BotContext } from './bot-context.ts';
import {
  type BotMemory,
  factsOf,
  imageOf,
  isKnown,
  mayForgetFormer,
  newMemory,
  runIdOf,
  situationOf,
} from './bot-memory.ts';
import type { KeptBot } from './bot-records.ts';
import { BotReport, strayReason } from './bot-report.ts';
import { type ConvergeStep, nextStep, type Situation } from './converge.ts';
import {
  diagnosisUntilMs,
  goesBack,
  isOutranked,
  learnSpec,
  noteDiagnosis,
  noteRunning,
  recallSecrets,
  recordFailure,
  setDesired,
} from './decisions.ts';
import { type DesiredBot, defaultStopGraceMs, type EnsureCommand, isSameDecision } from './desired.ts';
import { takeMeasure } from './disk-measure.ts';
import { readLastLines } from './last-lines.ts';
import { OldImages } from './old-images.ts';
import { cancelPreparing } from './preparing.ts';
import { isOwnDoing } from './run-ends.ts';
import { Settling } from './settling.ts';
import { noTrouble, takeStep } from './step-runner.ts';
import { judgeTask } from './task-outcome.ts';

// This many steps without a rest mean that two parts of this worker disagree; no real path to a goal is that long.
const stepsWithoutRestMax = 40;
const pauseWhenLostMs = 5000;

export class BotActor {
  readonly key: BotKey;
  readonly #context: BotContext;
  readonly #memory: BotMemory;
  readonly #bell = new Bell();
  readonly #closing = new AbortController();
  readonly #oldImages: OldImages;
  readonly #settling: Settling;
  readonly #running: Promise<void>;
  #task: ActiveTask | undefined;
  readonly #report: BotReport;
  #stepsWithoutRest = 0;
  #gone = false;
  #held = false;
  readonly #lookedOnce = Promise.withResolvers<void>();

  constructor(record: KeptBot, context: BotContext) {
    this.key = record.key;
    this.#context = context;
    this.#memory = newMemory(record, context.clock.monotonicMs());
    this.#settling = new Settling(this.#memory, context);
    this.#oldImages = new OldImages(this.#memory, context, this.#settling, this.#closing.signal, () =>
      this.#bell.ring(),
    );
    this.#report = new BotReport(this.#memory, context, () => this.#situation());
    recallSecrets(this.#memory, context);
    context.log.listen((texts) => this.#read(texts));
    this.#running = this.#run();
  }

  /** What is known now; UNKNOWN before the first look. */
  observation(): BotObservation {
    return this.#report.now();
  }

  /** Resolves when the container was looked at for the first time, or could not be. */
  get lookedOnce(): Promise<void> {
    return this.#lookedOnce.promise;
  }

  /** The container as last seen. */
  get container(): ContainerFacts | undefined {
    return factsOf(this.#memory);
  }

  /** Whether a list of containers, begun a moment ago, shows another one than this actor knows. */
  differsFrom(listed: ContainerFacts | undefined): boolean {
    // One that has not looked yet will.
    if (this.#memory.container === 'unknown') return false;
    const known = this.container;
    return known?.status !== listed?.status || (!!known && !!listed && runIdOf(known) !== runIdOf(listed));
  }

  /** Whether there is another stray of the bot than this actor knows. */
  missesStray(listed: Stray | undefined): boolean {
    const { container, stray } = this.#memory;
    return container === 'none' && (stray?.id !== listed?.id || stray?.running !== listed?.running);
  }

  /** What the bot should be; undefined while nobody has said. */
  get desired(): DesiredBot | undefined {
    return this.#memory.record.desired;
  }

  /** True while its image is being made. */
  get building(): boolean {
    return this.#memory.preparing !== undefined;
  }

  /**
   * Takes a command. One older than the newest is ignored (false), unless `anew`: the first set of a session is the truth,
   * whatever was seen before.
   */
  ensure(command: EnsureCommand, anew: boolean): boolean {
    const { desired, spec, taskId } = command;
    const sameTask = taskId !== '' && this.#task?.id === taskId;
    if (!anew && isOutranked(this.#memory, desired, taskId !== '' && !sameTask)) return false;
    if (this.#task && !sameTask && (taskId !== '' || !isSameDecision(desired, this.#task.decision))) {
      this.#endTask({
        ok: false,
        problem: problem('CANCELLED', 'This was superseded by a later decision about the bot.'),
      });
    }
    if (goesBack(this.#memory, desired)) this.#noteWayBack(desired);
    setDesired(this.#memory, desired, taskId !== '' && !sameTask);
    // A session has begun: a source can be fetched again.
    if (anew) this.#makeNow();
    if (spec) learnSpec(this.#memory, this.#context, desired.revision, spec);
    // Somebody may have removed the stray from the engine meanwhile: look again before it blocks what a user asks for now.
    if (taskId !== '' && this.#memory.stray) this.#memory.stale = true;
    if (sameTask) this.#context.reports.accepted(taskId);
    else if (taskId !== '') {
      this.#task = beginTask(command, this.#context.reports, this.#context.clock, () => this.#bell.ring());
    }
    this.#bell.ring();
    return true;
  }

  /** For readers of the log, where the new version's output is otherwise simply followed by the previous one's. */
  #noteWayBack({ revision }: DesiredBot): void {
    const runs = factsOf(this.#memory)?.revision === revision;
    const text = runs
      ? 'the update did not succeed; the previous version is still the one that runs'
      : 'the update did not stay up: the previous version is back and is started again';
    inBackground(this.#context.log.note(text), () => undefined);
  }

  /** The orchestrator does not place the bot here any more. */
  absent(): void {
    if (this.desired?.kind === 'absent') return;
    this.#endTask({ ok: false, problem: problem('CANCELLED', 'The bot is no longer placed on this worker.') });
    const last = this.desired ?? { epoch: 0n, generation: 0n, revision: 0n, stopGraceMs: defaultStopGraceMs };
    setDesired(this.#memory, { ...last, kind: 'absent' }, false);
    this.#bell.ring();
  }

  /** Stops building for a task that is no longer wanted. Once its container is there it is too late, and it continues. */
  cancelTask(taskId: string): void {
    const { preparing } = this.#memory;
    if (this.#task?.id !== taskId || this.desired?.kind !== 'running') return;
    if (preparing === undefined && factsOf(this.#memory)?.revision === this.desired.revision) return;
    recordFailure(this.#memory, problem('CANCELLED', 'The job was cancelled.'));
    this.#bell.ring();
  }

  /** While held, it only looks. */
  hold(held: boolean): void {
    this.#held = held;
    this.#bell.ring();
  }

  /** The container may have changed. */
  hint(): void {
    this.#memory.stale = true;
    this.#bell.ring();
  }

  /** The gate may be open now, or closed. */
  gateMoved(): void {
    this.#bell.ring();
  }

  /** An engine event about the container. Those of one container come in order, so one that reports a known state is no news. */
  happened(kind: RuntimeEvent['kind']): void {
    const { heard } = this.#memory;
    if (heard !== undefined) heard.push(kind);
    else if (!isKnown(kind, this.container)) this.hint();
  }

  /** Takes what the bot's container has written. More than it may stops it. */
  measured(measure: DiskMeasure): void {
    if (takeMeasure(this.#memory, this.#context, measure)) this.#bell.ring();
  }

  /** The engine is back: an end that came with its going is judged again, and no pause is waited out. */
  engineReturned(): void {
    const { record } = this.#memory;
    if (record.settledEnd?.kind === 'exited' && this.#context.wasInterrupted(record.lastEnd?.finishedAtMs)) {
      this.#memory.record = { ...record, settledEnd: undefined };
    }
    this.#memory.pausedUntilMs = undefined;
    this.#makeNow();
    this.hint();
  }

  /** What an attempt to make the image waited for may be available now. */
  #makeNow(): void {
    const { making } = this.#memory;
    if (making.failures > 0) this.#memory.making = { ...making, againAtMs: 0 };
  }

  /**
   * Ends the actor, not the container; what is under way is broken off. `suspending`: the runtime is about to end the
   * process, which is then not the bot's own doing.
   */
  async close(suspending: boolean): Promise<void> {
    this.#closing.abort(new Error('the worker is stopping'));
    cancelPreparing(this.#memory);
    await this.#running;
    // Not waited for: what is left of it, should the engine not answer, is found by the next process.
    inBackground(this.#settling.end(), () => undefined);
    this.#lookedOnce.resolve();
    this.#task?.abandon();
    if (this.#gone) return;
    const facts = factsOf(this.#memory);
    if (suspending && facts?.status === 'running') {
      this.#memory.record = { ...this.#memory.record, suspendedRun: runIdOf(facts) };
    }
    await this.#save();
  }

  async #run(): Promise<void> {
    // The constructor returns before the first turn.
    await Promise.resolve();
    const { signal } = this.#closing;
    while (!signal.aborted && !this.#gone) {
      try {
        await this.#turn(signal);
      } catch (error) {
        // A bug of ours. It must cost this bot a pause, and no other bot anything.
        this.#context.logger.error({ err: error, bot: this.key }, 'the actor of a bot failed; it checks its bot again');
        this.#memory.stale = true;
        this.#memory.pausedUntilMs = this.#now() + pauseWhenLostMs;
        this.#lookedOnce.resolve();
      }
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const memory = this.#memory;
    noteDiagnosis(memory, this.#now());
    await this.#save();
    noteRunning(memory);
    await this.#followTask(signal);
    this.#report.publish();
    if (memory.record !== memory.saved) return;
    const wanted = nextStep(this.#situation());
    const step: ConvergeStep = this.#held && wanted.kind !== 'look' ? { kind: 'rest', untilMs: undefined } : wanted;
    if (step.kind === 'rest') {
      if (mayForgetFormer(memory) && !this.#task) this.#oldImages.remove();
      this.#stepsWithoutRest = 0;
      if (memory.pausedUntilMs === undefined || this.#now() >= memory.pausedUntilMs) {
        memory.failures = 0;
        noTrouble(memory);
      }
      const { clock } = this.#context;
      const untilMs = Math.min(step.untilMs ?? Number.POSITIVE_INFINITY, diagnosisUntilMs(memory), this.#askAtMs());
      const bounds = Number.isFinite(untilMs) ? { clock, afterMs: Math.max(0, untilMs - this.#now()) } : {};
      await this.#bell.wait({ signal, ...bounds });
      return;
    }
    this.#stepsWithoutRest += 1;
    if (this.#stepsWithoutRest > stepsWithoutRestMax) {
      this.#stepsWithoutRest = 0;
      throw new Error(`steps without an end; the next one was to be ${step.kind}`);
    }
    await takeStep(memory, this.#context, step, this.#hooks, signal);
    if (step.kind === 'look') this.#lookedOnce.resolve();
  }

  /** When the engine is asked again about an end; once that time has passed, the question waits for whatever blocks it. */
  #askAtMs(): number {
    const { suspected } = this.#memory;
    const waits = suspected?.confirmed === false && suspected.askAtMs > this.#now();
    return waits ? suspected.askAtMs : Number.POSITIVE_INFINITY;
  }

  readonly #hooks = {
    task: () => this.#task,
    wake: () => this.#bell.ring(),
    untilSettled: () => this.#settling.end(),
    untilQuiet: async () => {
      await this.#settling.endForImages();
      await this.#oldImages.untilQuiet;
    },
    gone: () => {
      this.#gone = true;
      this.#context.onGone();
    },
  };

  async #followTask(signal: AbortSignal): Promise<void> {
    const task = this.#task;
    if (!task) return;
    const { record, trouble, making } = this.#memory;
    const judgement = judgeTask(this.#situation(), record, task.expired, {
      trouble,
      making,
      strayReason: strayReason(this.#context.workerId, this.#memory.stray),
    });
    if (judgement.kind === 'pending') {
      const told = this.#report.ofWork();
      if (told) task.tell(told.state, told.reason);
      return;
    }
    if (judgement.kind === 'succeeded' && judgement.endedInWatch && task.replaced) {
      if (!isOwnDoing(this.#memory, this.#context)) return;
    }
    if (judgement.kind === 'failed') {
      recordFailure(this.#memory, judgement.problem);
      return this.#endTask({ ok: false, problem: judgement.problem });
    }
    const lastLines = judgement.endedInWatch ? await readLastLines(this.#memory, this.#context, signal) : [];
    // A later command may have ended it meanwhile.
    if (this.#task !== task) return;
    this.#endTask({ ok: true, replaced: task.replaced, lastLines });
    // A new version that did not stay up may have to make way for the old one.
    if (judgement.endedInWatch && task.replaced) this.#oldImages.keep();
    else this.#oldImages.remove();
    if (!judgement.endedInWatch && this.desired?.kind === 'running') this.#settling.begin();
  }

  #endTask(outcome: TaskEnd): void {
    const task = this.#task;
    this.#task = undefined;
    task?.end(outcome, this.observation());
  }

  /** The own modules of the running version; undefined for an image made before they were kept. */
  #ownModules(): ReadonlySet<string> | undefined {
    const { record } = this.#memory;
    const names = imageOf(record, factsOf(this.#memory)?.revision ?? record.desired?.revision ?? 0n)?.ownModules;
    return names && new Set(names);
  }

  /** What the bot prints; nothing but the one line of its diagnosis comes of it. */
  #read(texts: readonly string[]): void {
    const { diagnosis } = this.#memory;
    const before = diagnosis.text;
    readOutput(diagnosis, texts, this.#now(), this.#ownModules());
    if (diagnosis.text !== before) this.#bell.ring();
  }

  async #save(): Promise<void> {
    const { record } = this.#memory;
    if (record === this.#memory.saved) return;
    try {
      await this.#context.records.save(record);
    } catch (error) {
      // A full disk must not stop the bot; the orchestrator has every decision too.
      this.#context.logger.warn({ err: error, bot: this.key }, 'the record of a bot could not be written');
    }
    this.#memory.saved = record;
  }

  #situation(): Situation {
    return situationOf(this.#memory, this.#now(), this.#task !== undefined, this.#context.startGate());
  }

  #now(): number {
    return this.#context.clock.monotonicMs();
  }
}
