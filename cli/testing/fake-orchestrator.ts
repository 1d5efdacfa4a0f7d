/**
 * A small orchestrator in memory, for tests of the CLI. It checks tokens, stores artifacts, accepts jobs once per
 * Idempotency-Key, and otherwise plays the scripts it is given: what each WatchJob and StreamLogs call sends.
 */
import { createHash } from 'node:crypto';
import { create, type JsonObject, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { type Problem, problem } from '#common/problem.ts';
import type { ProblemCode } from '#common/problem-codes.ts';
import { problemToProto } from '#common/problem-proto.ts';
import { ArtifactService } from '#gen/botrunner/v1/artifact_service_pb.js';
import {
  type Bot,
  type BotConfig,
  BotConfigSchema,
  BotSchema,
  type BotSpec,
  BotState,
} from '#gen/botrunner/v1/bot_pb.js';
import {
  BotService,
  type ConfigureBotRequest,
  type SpecReset,
  type StreamLogsRequest,
  type WatchBotsRequest,
  type WatchBotsResponseSchema,
} from '#gen/botrunner/v1/bot_service_pb.js';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import { type Job, JobSchema, JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { type LogEntry, LogEntrySchema, LogStream } from '#gen/botrunner/v1/log_pb.js';

/** One step of a stream: a change of the job, lines, an error that ends it, or silence until the caller leaves. */
export type Step =
  | { readonly job: Partial<Job> }
  | { readonly lines: readonly LogEntry[] }
  | { readonly watched: MessageInitShape<typeof WatchBotsResponseSchema> }
  | { readonly error: ConnectError }
  | { readonly call: () => void }
  | 'silence';

export const goodToken = 'test-client-token';
/** 2026-11-22T15:00:00Z; all times of the fake are this. */
export const fakeTimeMs = Date.UTC(2026, 10, 22, 15, 0, 0);

/** A start or update as it came. */
export interface DeploySeen {
  readonly botId: string;
  readonly spec: BotSpec | undefined;
  readonly takeover: boolean;
  /** Undefined for a start. */
  readonly keepEnv: boolean | undefined;
  readonly replaceEnv: boolean;
  readonly reset: SpecReset | undefined;
  readonly idempotencyKey: string | null;
}

export class FakeOrchestrator {
  readonly bots = new Map<string, Bot>();
  readonly artifacts = new Map<string, Buffer>();
  readonly starts: DeploySeen[] = [];
  readonly updates: DeploySeen[] = [];
  readonly deletes: { botId: string; purge: boolean }[] = [];
  readonly logRequests: StreamLogsRequest[] = [];
  /** Names of the calls, in order. */
  readonly calls: string[] = [];
  readonly configures: ConfigureBotRequest[] = [];
  /** How every bot is configured. */
  config: BotConfig = create(BotConfigSchema);
  /** One script per WatchJob call; without one the job completes at once with `result`. */
  readonly watchScripts: Step[][] = [];
  readonly eventRequests: WatchBotsRequest[] = [];
  /** One script per WatchBots call. */
  readonly eventScripts: Step[][] = [];
  /** One script per StreamLogs call. */
  readonly logScripts: Step[][] = [];
  readonly deadlineMs: number = 600_000;
  maxBots = 3;
  /** What the bot's former artifact held, of what may be left out. */
  sentBefore: readonly string[] = [];
  /** Stores something else than what was sent. */
  damageUploads = false;
  result: JsonObject = {};
  readonly #jobs = new Map<string, Job>();
  readonly #jobsByKey = new Map<string, Job>();
  #keys = 0;
  readonly #failures = new Map<string, ConnectError[]>();

  /** An Idempotency-Key: key-1, key-2 ... */
  newKey(): string {
    return `key-${++this.#keys}`;
  }

  /** The next call of that name ends with the error, before it did anything. */
  failNext(call: string, error: ConnectError): void {
    this.#failures.set(call, [...(this.#failures.get(call) ?? []), error]);
  }

  addBot(bot: MessageInitShape<typeof BotSchema>): void {
    const whole = create(BotSchema, { userId: 'dev', state: BotState.RUNNING, mode: 'simple', ...bot });
    this.bots.set(whole.botId, whole);
  }

  readonly routes = (router: ConnectRouter): void => {
    router.service(ArtifactService, {
      uploadArtifact: async (chunks, context) => {
        this.#enter('uploadArtifact', context);
        const bytes: Uint8Array[] = [];
        for await (const { chunk } of chunks) bytes.push(chunk);
        const whole = Buffer.concat(this.damageUploads ? [...bytes, Buffer.of(0)] : bytes);
        const sha256 = createHash('sha256').update(whole).digest('hex');
        this.artifacts.set(sha256, whole);
        return { sha256, sizeBytes: BigInt(whole.byteLength) };
      },
    });
    router.service(BotService, {
      startBot: ({ botId, spec, takeover, replaceEnv, reset }, context) => {
        this.#enter('startBot', context);
        const idempotencyKey = keyOf(context);
        this.starts.push({ botId, spec, takeover, keepEnv: undefined, replaceEnv, reset, idempotencyKey });
        return { job: this.#accept('start', botId, idempotencyKey) };
      },
      updateBot: ({ botId, spec, takeover, keepEnv, replaceEnv, reset }, context) => {
        this.#enter('updateBot', context);
        this.#find(botId);
        const idempotencyKey = keyOf(context);
        this.updates.push({ botId, spec, takeover, keepEnv, replaceEnv, reset, idempotencyKey });
        return { job: this.#accept('update', botId, idempotencyKey) };
      },
      checkDeploy: ({ request, leftOut }, context) => {
        this.#enter('checkDeploy', context);
        if (request.case === 'update') this.#find(request.value.botId);
        return { sentBefore: leftOut.filter((path) => this.sentBefore.includes(path)) };
      },
      configureBot: (request, context) => {
        this.#enter('configureBot', context);
        this.#find(request.botId);
        this.configures.push(request);
        return { job: this.#accept('configure', request.botId, keyOf(context)) };
      },
      getBotConfig: ({ botId }, context) => {
        this.#enter('getBotConfig', context);
        this.#find(botId);
        return { config: this.config };
      },
      restartBot: ({ botId }, context) => {
        this.#enter('restartBot', context);
        this.#find(botId);
        return { job: this.#accept('restart', botId, keyOf(context)) };
      },
      deleteBot: ({ botId, purge }, context) => {
        this.#enter('deleteBot', context);
        this.#find(botId);
        this.deletes.push({ botId, purge });
        return { job: this.#accept('delete', botId, keyOf(context)) };
      },
      stopBot: ({ botId }, context) => {
        this.#enter('stopBot', context);
        this.#find(botId);
        return { job: this.#accept('stop', botId, keyOf(context)) };
      },
      getBot: ({ botId }, context) => {
        this.#enter('getBot', context);
        return { bot: this.#find(botId) };
      },
      listBots: (_, context) => {
        this.#enter('listBots', context);
        return { bots: [...this.bots.values()], count: this.bots.size, maxBots: this.maxBots };
      },
      getUsage: (_, context) => {
        this.#enter('getUsage', context);
        const sources = { sources: 2n, sourceBytes: 1_500_000n, uploadBytes: 500_000n, sourceBytesMax: 2_147_483_648n };
        const jobs = { endedJobs: 7n, jobBytes: 5_000n, jobBytesMax: 67_108_864n };
        const bots = {
          bots: 1,
          botsMax: 3,
          keptBots: 4,
          keptBotsMax: 100,
          deletedWithData: 1,
          deletedNames: ['former'],
        };
        return { usage: { ...bots, ...sources, ...jobs, events: 30n, eventBytes: 25_000n } };
      },
      watchBots: async function* (this: FakeOrchestrator, request: WatchBotsRequest, context: HandlerContext) {
        this.#enter('watchBots', context);
        this.eventRequests.push(request);
        for await (const step of play(this.eventScripts.shift() ?? [], context.signal)) {
          if ('watched' in step) yield step.watched;
        }
      }.bind(this),
      streamLogs: async function* (this: FakeOrchestrator, request: StreamLogsRequest, context: HandlerContext) {
        this.#enter('streamLogs', context);
        this.logRequests.push(request);
        for await (const step of play(this.logScripts.shift() ?? [], context.signal)) {
          if ('lines' in step) yield { entries: [...step.lines] };
        }
      }.bind(this),
    });
    router.service(JobService, {
      getJob: ({ jobId }, context) => {
        this.#enter('getJob', context);
        return { job: this.#findJob(jobId) };
      },
      cancelJob: ({ jobId }, context) => {
        this.#enter('cancelJob', context);
        return { job: this.#findJob(jobId) };
      },
      watchJob: async function* (this: FakeOrchestrator, { jobId }: { jobId: string }, context: HandlerContext) {
        this.#enter('watchJob', context);
        const job = this.#findJob(jobId);
        const script = this.watchScripts.shift() ?? [
          { job: { state: 'completed', status: JobStatus.COMPLETED, result: this.result } },
        ];
        for await (const step of play(script, context.signal)) {
          if ('lines' in step) {
            yield { update: { case: 'buildOutput' as const, value: { entries: [...step.lines] } } };
          } else if ('job' in step) {
            yield { update: { case: 'job' as const, value: create(JobSchema, { ...job, ...step.job }) } };
          }
        }
      }.bind(this),
    });
  };

  #enter(call: string, context: HandlerContext): void {
    this.calls.push(call);
    const error = this.#failures.get(call)?.shift();
    if (error !== undefined) throw error;
    if (context.requestHeader.get('Authorization') !== `Bearer ${goodToken}`) {
      throw refusal('UNAUTHENTICATED', 'The token is not known.');
    }
  }

  #find(botId: string): Bot {
    const bot = this.bots.get(botId);
    if (bot === undefined) throw refusal('BOT_NOT_FOUND', 'There is no such bot.');
    return bot;
  }

  #findJob(jobId: string): Job {
    const job = this.#jobs.get(jobId);
    if (job === undefined) throw refusal('JOB_NOT_FOUND', 'There is no such job.');
    return job;
  }

  #accept(action: string, botId: string, key: string | null): Job {
    const known = key === null ? undefined : this.#jobsByKey.get(key);
    if (known !== undefined) return known;
    const job = this.addJob({ action, botId });
    if (key !== null) this.#jobsByKey.set(key, job);
    return job;
  }

  /** A job that was accepted before; RUNNING unless it says otherwise. */
  addJob(fields: MessageInitShape<typeof JobSchema>): Job {
    const job = create(JobSchema, {
      jobId: `01JD00000000000000000000J${this.#jobs.size + 1}`,
      userId: 'dev',
      blueprint: 'bot_runner',
      state: 'init',
      status: JobStatus.RUNNING,
      createdAt: timestampFromMs(fakeTimeMs),
      updatedAt: timestampFromMs(fakeTimeMs),
      deadlineAt: timestampFromMs(fakeTimeMs + this.deadlineMs),
      ...fields,
    });
    this.#jobs.set(job.jobId, job);
    return job;
  }
}

const keyOf = (context: HandlerContext): string | null => context.requestHeader.get('Idempotency-Key');

async function* play(script: readonly Step[], signal: AbortSignal) {
  for (const step of script) {
    if (step === 'silence') await aborted(signal);
    else if ('error' in step) throw step.error;
    else if ('call' in step) step.call();
    else yield step;
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** A refusal as the orchestrator sends it: a Connect error with the typed detail. */
export function refusal(code: ProblemCode, message: string, extras: Partial<Problem> = {}): ConnectError {
  const value = { ...problem(code, message), ...extras };
  const grpc = { UNAUTHENTICATED: Code.Unauthenticated, UNAVAILABLE: Code.Unavailable } as Record<string, Code>;
  return new ConnectError(message, grpc[code] ?? Code.InvalidArgument, undefined, [
    { desc: ErrorDetailSchema, value: problemToProto(value) },
  ]);
}

export const connectionLost = (): ConnectError => new ConnectError('connection lost', Code.Unavailable);

/** Lines of a log, with cursors c1, c2 ... counted from `from`. */
export const logLines = (texts: readonly string[], stream: LogStream = LogStream.STDOUT, from = 1): LogEntry[] =>
  texts.map((text, index) =>
    create(LogEntrySchema, { text, stream, cursor: `c${from + index}`, time: timestampFromMs(fakeTimeMs) }),
  );
