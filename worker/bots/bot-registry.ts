/** All bots of this worker: one actor each, made for what the records, the engine or the orchestrator name. */

import { create } from '@bufbuild/protobuf';
import { type BotKey, botKeyText, containerName } from '#common/ids.ts';
import { problemToProto } from '#common/problem-proto.ts';
import {
  type BotObservation,
  type DesiredChanges,
  type DesiredSet,
  type Ensure,
  TaskResultSchema,
} from '#gen/botrunner/v1/worker_service_pb.js';
import type { ContainerLookup } from '../engine/container-lookup.ts';
import type { BotLogs } from '../logs/bot-logs.ts';
import type { DiskMeasure, RuntimeEvent } from '../runtime/container-runtime.ts';
import type { Stray } from '../runtime/strays.ts';
import { BotActor } from './bot-actor.ts';
import type { WorkerContext } from './bot-context.ts';
import { emptyKeptBot, type KeptBot } from './bot-records.ts';
import { readEnsure } from './desired.ts';

export interface RegistryParts {
  readonly worker: WorkerContext;
  readonly logs: BotLogs;
  readonly lookup: ContainerLookup;
  /** Sends the result of a task that ended before once more; false if it is not known. */
  resendResult(taskId: string): boolean;
  onObservation(observation: BotObservation): void;
  /** Containers of bots that are not this worker's, each time they were listed. */
  onStrays(strays: readonly Stray[]): void;
}

export class BotRegistry {
  readonly #parts: RegistryParts;
  readonly #actors = new Map<string, BotActor>();
  /** True once the orchestrator has said what should run here: from then on a container nobody knows is a stray. */
  #wasTold = false;
  #closed = false;
  #held = false;
  /** Of the set that was applied last in this session, with its changes; 0 before. */
  #version = 0n;
  /** By bot, the version at which this session told of it. */
  readonly #learnt = new Map<string, bigint>();

  constructor(parts: RegistryParts) {
    this.#parts = parts;
  }

  /** Takes over the bots of an earlier process, and looks at each. With an engine that is away, those of the records. */
  async adopt(): Promise<void> {
    for (const record of await this.#parts.worker.records.loadAll()) this.#actorFor(record.key, record);
    await this.resync().catch((error: unknown) =>
      this.#parts.worker.logger.debug({ err: error }, 'the containers could not be listed yet'),
    );
    await Promise.all([...this.#actors.values()].map((actor) => actor.lookedOnce));
  }

  /** Compares what the engine has with what the actors know, and lets them look where it differs. */
  async resync(): Promise<void> {
    const { lookup, onStrays } = this.#parts;
    const [containers, strays] = await Promise.all([lookup.list(), lookup.strays()]);
    const strayByName = new Map(strays.map((stray) => [stray.name, stray]));
    onStrays(strays);
    const seen = new Map(containers.map((facts) => [botKeyText(facts.key), facts]));
    for (const facts of containers) {
      if (this.#closed || this.#actors.has(botKeyText(facts.key))) continue;
      const actor = this.#actorFor(facts.key);
      if (this.#wasTold) actor.absent();
    }
    for (const [key, actor] of this.#actors) {
      const isNews = actor.differsFrom(seen.get(key)) || actor.missesStray(strayByName.get(containerName(actor.key)));
      if (isNews) actor.hint();
    }
  }

  /** A container has changed, according to the engine's events. */
  happened({ containerId, kind }: RuntimeEvent): void {
    for (const actor of this.#actors.values()) {
      if (actor.container?.id === containerId) actor.happened(kind);
    }
  }

  /** Containers that run now. */
  get running(): readonly { readonly id: string; readonly userId: string }[] {
    return [...this.#actors.values()].flatMap(({ key, container }) =>
      container?.status === 'running' ? [{ id: container.id, userId: key.userId }] : [],
    );
  }

  /** What a container has written. */
  measured(measure: DiskMeasure): void {
    for (const actor of this.#actors.values()) if (actor.container?.id === measure.containerId) actor.measured(measure);
  }

  engineReturned(): void {
    for (const actor of this.#actors.values()) actor.engineReturned();
  }

  gateMoved(): void {
    for (const actor of this.#actors.values()) actor.gateMoved();
  }

  /** DesiredSet.version as far as it was applied in this session. */
  get desiredVersion(): bigint {
    return this.#version;
  }

  /** `anew`: the first set of a session, which overrides whatever was seen before. */
  applyDesiredSet(set: DesiredSet, anew: boolean): void {
    this.#wasTold = true;
    this.#version = set.version;
    if (anew) this.#learnt.clear();
    const named = new Set(set.kept.map(botKeyText));
    for (const message of set.bots) {
      named.add(botKeyText(message));
      this.ensure(message, anew);
    }
    for (const key of this.#actors.keys()) if (!named.has(key)) this.#absent(key, set.version);
  }

  /** False, and nothing is done, when they are changes of another set than the one that was applied. */
  applyDesiredChanges({ baseVersion, version, bots, gone }: DesiredChanges): boolean {
    if (baseVersion !== this.#version) return false;
    this.#version = version;
    for (const message of bots) this.ensure(message);
    for (const key of gone) this.#absent(botKeyText(key), version);
    return true;
  }

  /** The bot was not to be here at this version; the message may have been made before it was placed here. */
  #absent(key: string, version: bigint): void {
    if ((this.#learnt.get(key) ?? 0n) <= version) this.#actors.get(key)?.absent();
  }

  ensure(message: Ensure, anew = false): void {
    const { worker, resendResult } = this.#parts;
    if (this.#closed) return;
    const read = readEnsure(message);
    if (!read.ok) {
      worker.logger.error({ userId: message.userId, botId: message.botId }, read.problem.message);
      if (message.taskId === '') return;
      const outcome = { case: 'failed' as const, value: problemToProto(read.problem) };
      worker.reports.ended(create(TaskResultSchema, { taskId: message.taskId, outcome }));
      return;
    }
    const endedBefore = message.taskId !== '' && resendResult(message.taskId);
    const command = endedBefore ? { ...read.value, taskId: '' } : read.value;
    if (message.desiredVersion > 0n) this.#learnt.set(botKeyText(command.key), message.desiredVersion);
    const taken = this.#actorFor(command.key).ensure(command, anew);
    if (!taken) worker.logger.debug({ bot: command.key }, 'an outdated command was ignored');
  }

  /** While held, nothing is done to any container: another process is this worker. */
  hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    for (const actor of this.#actors.values()) actor.hold(held);
  }

  cancelTask(taskId: string): void {
    for (const actor of this.#actors.values()) actor.cancelTask(taskId);
  }

  has(key: BotKey): boolean {
    return this.#actors.has(botKeyText(key));
  }

  /** Every bot as it is now, but those that are on their way out because they are not placed here. */
  snapshot(): readonly BotObservation[] {
    return [...this.#actors.values()].flatMap((actor) => this.observationOf(actor.key) ?? []);
  }

  /** A bot as it is now; undefined for one that is not placed here, or is on its way out for that. */
  observationOf(key: BotKey): BotObservation | undefined {
    const actor = this.#actors.get(botKeyText(key));
    return actor?.desired?.kind === 'absent' ? undefined : actor?.observation();
  }

  /** How many images are being made. */
  get builds(): number {
    return [...this.#actors.values()].filter((actor) => actor.building).length;
  }

  /** Ends all actors; their containers stay as they are. See BotActor.close. */
  async close(suspending: boolean): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#actors.values()].map((actor) => actor.close(suspending)));
  }

  #actorFor(key: BotKey, record: KeptBot = emptyKeptBot(key)): BotActor {
    const text = botKeyText(key);
    const existing = this.#actors.get(text);
    if (existing) return existing;
    const { worker, logs, onObservation } = this.#parts;
    const actor: BotActor = new BotActor(record, {
      ...worker,
      log: logs.of(key),
      onObservation: (observation) => {
        if (actor.desired?.kind !== 'absent') onObservation(observation);
      },
      onGone: () => {
        if (this.#actors.get(text) !== actor) return;
        this.#actors.delete(text);
        this.#learnt.delete(text);
        logs.forget(key);
      },
    });
    actor.hold(this.#held);
    this.#actors.set(text, actor);
    return actor;
  }
}
