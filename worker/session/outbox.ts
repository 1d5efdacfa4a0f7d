/**
 * What one session has still to send. Bounded: of a bot only the newest observation waits, build output is dropped when
 * too much of it waits (with a mark), a heartbeat waits once. Results are not kept here but in the journal; they wait by id.
 */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type BotKey, botKeyText } from '#common/ids.ts';
import { Bell } from '#common/waiting/bell.ts';
import type { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { type LogEntry, LogEntrySchema, LogStream } from '#gen/botrunner/v1/log_pb.js';
import {
  type BotObservation,
  type Heartbeat,
  type SessionRequest,
  SessionRequestSchema,
  type Strays,
  type StraysAdopted,
  type TaskResult,
} from '#gen/botrunner/v1/worker_service_pb.js';

export type Body = SessionRequest['body'];

interface Progress {
  readonly kind: 'progress';
  readonly taskId: string;
  readonly state: BotState;
  readonly message: string;
  readonly output: LogEntry[];
  bytes: number;
}

/** What belongs to tasks goes out in order. */
type TaskItem = Progress | { readonly kind: 'accepted' | 'result'; readonly taskId: string };

const outputMaxBytes = 1024 * 1024;
const itemsMax = 10_000;
const observationsPerMessage = 500;

/** What is looked up when its turn to be sent has come. */
export interface OutboxSource {
  /** A result, if it still has to be sent. */
  resultOf(taskId: string): TaskResult | undefined;
  /** A bot as it is now; undefined for one that no longer exists. */
  observationOf(bot: BotKey): BotObservation | undefined;
}
const adoptedMax = 100;

export class Outbox {
  readonly #bell = new Bell();
  readonly #observations = new Map<string, BotObservation>();
  #tasks: TaskItem[] = [];
  #outputBytes = 0;
  #heartbeat: Heartbeat | undefined;
  /** Only their latest state waits. */
  #strays: Strays | undefined;
  #adopted: StraysAdopted[] = [];
  /** The version that the worker is at, if it needs the whole desired set. */
  #wanted: bigint | undefined;

  accepted(taskId: string): void {
    this.#push({ kind: 'accepted', taskId });
  }

  progress(taskId: string, state: BotState, message: string, output: readonly LogEntry[], wallMs: number): void {
    const bytes = output.reduce((sum, entry) => sum + entry.text.length, 0);
    if (this.#outputBytes + bytes > outputMaxBytes) {
      const last = this.#tasks.findLast((item) => item.kind === 'progress' && item.taskId === taskId);
      if (last?.kind === 'progress' && last.output.at(-1)?.stream !== LogStream.GAP) last.output.push(leftOut(wallMs));
      return;
    }
    this.#outputBytes += bytes;
    this.#push({ kind: 'progress', taskId, state, message, output: [...output], bytes });
  }

  /** The result itself is fetched from the journal when its turn comes. */
  result(taskId: string): void {
    if (this.#tasks.some((item) => item.kind === 'result' && item.taskId === taskId)) return;
    this.#push({ kind: 'result', taskId });
  }

  observed(observation: BotObservation): void {
    this.#observations.set(botKeyText(observation), observation);
    this.#bell.ring();
  }

  heartbeat(heartbeat: Heartbeat): void {
    // One that has not been sent yet may say what a later one does not repeat.
    const { safety = this.#heartbeat?.safety } = heartbeat;
    this.#heartbeat = safety === undefined ? heartbeat : { ...heartbeat, safety };
    this.#bell.ring();
  }

  strays(strays: Strays): void {
    this.#strays = strays;
    this.#bell.ring();
  }

  /** What has changed of the desired set does not fit what was applied. */
  desiredSetWanted(version: bigint): void {
    this.#wanted = version;
    this.#bell.ring();
  }

  /** An answer that somebody waits for, but not for long: the oldest can be dropped. */
  adopted(adopted: StraysAdopted): void {
    this.#adopted = [...this.#adopted.slice(1 - adoptedMax), adopted];
    this.#bell.ring();
  }

  /** The next message, or undefined when nothing waits. */
  next(source: OutboxSource): SessionRequest | undefined {
    const body = this.#nextBody(source);
    return body && create(SessionRequestSchema, { body });
  }

  /** Returns when there may be something to send, or on abort. */
  async wait(signal: AbortSignal): Promise<void> {
    await this.#bell.wait({ signal });
  }

  #nextBody(source: OutboxSource): Body | undefined {
    const heartbeat = this.#heartbeat;
    if (heartbeat) {
      this.#heartbeat = undefined;
      return { case: 'heartbeat', value: heartbeat };
    }
    const version = this.#wanted;
    if (version !== undefined) {
      this.#wanted = undefined;
      return { case: 'desiredSetWanted', value: { $typeName: 'botrunner.v1.DesiredSetWanted', version } };
    }
    const strays = this.#strays;
    if (strays) {
      this.#strays = undefined;
      return { case: 'strays', value: strays };
    }
    const adopted = this.#adopted.shift();
    if (adopted) return { case: 'adopted', value: adopted };
    if (this.#observations.size > 0) {
      const keys = [...this.#observations.keys()].slice(0, observationsPerMessage);
      const bots = keys.flatMap((key) => this.#observations.get(key) ?? []);
      for (const key of keys) this.#observations.delete(key);
      return { case: 'observations', value: { $typeName: 'botrunner.v1.Observations', bots } };
    }
    for (let item = this.#tasks.shift(); item; item = this.#tasks.shift()) {
      const body = this.#taskBody(item, source);
      if (body) return body;
    }
    return undefined;
  }

  #taskBody(item: TaskItem, { resultOf, observationOf }: OutboxSource): Body | undefined {
    const { taskId } = item;
    switch (item.kind) {
      case 'accepted':
        return { case: 'accepted', value: { $typeName: 'botrunner.v1.TaskAccepted', taskId } };
      case 'progress': {
        this.#outputBytes -= item.bytes;
        const { state, message, output } = item;
        return { case: 'progress', value: { $typeName: 'botrunner.v1.TaskProgress', taskId, state, message, output } };
      }
      case 'result': {
        const value = resultOf(taskId);
        // It describes the bot at the end of its task, and may be sent long after: its present state has to follow.
        const now = value?.observation && observationOf(value.observation);
        if (now) this.#observations.set(botKeyText(now), now);
        return value && { case: 'result', value };
      }
    }
  }

  #push(item: TaskItem): void {
    // So many gather only with a peer that reads nothing; progress is what can be dropped.
    if (this.#tasks.length >= itemsMax) this.#tasks = this.#tasks.filter(({ kind }) => kind !== 'progress');
    this.#tasks.push(item);
    this.#bell.ring();
  }
}

const leftOut = (wallMs: number): LogEntry =>
  create(LogEntrySchema, {
    time: timestampFromMs(wallMs),
    stream: LogStream.GAP,
    text: 'build output is missing here; the log of the bot has it',
  });
