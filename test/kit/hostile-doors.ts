/**
 * What the tests of hostile requests share. Each refusal must have the right status and code, say what to do, and leave
 * nothing: not a byte of what the orchestrator has on disk is another one, and the list of bots is the same before and after.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import { type Client, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import tar from 'tar-stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ArtifactService } from '#gen/botrunner/v1/artifact_service_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import { clientToken, type JsonBody, startTestOrchestrator, type TestOrchestrator } from './orchestrator-for-tests.ts';
import { bearer } from './typed-calls.ts';

/** Data of jobs to be changed into hostile ones. */
export const start = { action: 'start', bot_id: 'hostile' };
export const simple = { ...start, deployment_mode: 'simple', code: 'print(1)' };
export const custom = { ...start, deployment_mode: 'custom' };
export const git = { ...custom, git_repo: 'https://github.com/me/bot.git' };
export const image = { ...start, deployment_mode: 'image', docker_image: 'ghcr.io/me/bot:1' };

/** `data`: of the job, or the whole body as text. The status is 400 unless given. */
export type HostileCase = readonly [title: string, data: unknown, code: string, status?: number];

export interface HostileDoors {
  readonly orchestrator: TestOrchestrator;
  readonly bots: Client<typeof BotService>;
  readonly artifacts: Client<typeof ArtifactService>;
  /** The result of the action list. */
  list(): Promise<JsonBody>;
  /** The files that the orchestrator has on disk, and what is in them. */
  onDisk(): Readonly<Record<string, string>>;
  /**
   * What a refusal answers, and that it changes nothing on disk: it is asked for again if something has changed, because the store
   * tidies itself up now and then; a refusal that stored anything would do so each time.
   */
  leavesNothing<T>(refusal: () => Promise<T>): Promise<T>;
  /** A test for each case: sends it over REST and holds the refusal to all it must be. */
  refuses(cases: readonly HostileCase[]): void;
}

/** An orchestrator with one bot, for all tests of the file that calls this. */
export function openHostileDoors(): HostileDoors {
  let running: TestOrchestrator | undefined;
  const orchestrator = (): TestOrchestrator => {
    if (running === undefined) throw new Error('the orchestrator is there only while a test runs');
    return running;
  };
  const transport = () =>
    createGrpcTransport({
      baseUrl: orchestrator().url,
      interceptors: [bearer(clientToken)],
    });
  let bots: Client<typeof BotService> | undefined;
  let artifacts: Client<typeof ArtifactService> | undefined;
  beforeAll(async () => {
    running = await startTestOrchestrator({ env: { MAX_BOTS_PER_USER: '100' } });
    await running.post({ ...simple, bot_id: 'resident' });
  });
  afterAll(() => running?.[Symbol.asyncDispose]());
  const list = async () => {
    const { body } = await orchestrator().post({ action: 'list' });
    return (await orchestrator().get(`/jobs/${body.job_id}`)).body.data.result;
  };
  const onDisk = () =>
    Object.fromEntries(
      readdirSync(orchestrator().dir, { recursive: true, withFileTypes: true })
        // SQLite keeps locks of readers in the -shm file.
        .filter((entry) => entry.isFile() && !entry.name.endsWith('-shm'))
        .map((entry) => join(entry.parentPath, entry.name))
        .map((path) => [path, createHash('sha256').update(readFileSync(path)).digest('hex')]),
    );
  const leavesNothing = async <T>(refusal: () => Promise<T>): Promise<T> => {
    for (let triesLeft = 4; ; triesLeft -= 1) {
      const stored = onDisk();
      const answer = await refusal();
      const left = onDisk();
      if (triesLeft === 0) expect(left).toEqual(stored);
      if (isDeepStrictEqual(left, stored)) return answer;
    }
  };
  return {
    get orchestrator() {
      return orchestrator();
    },
    get bots() {
      bots ??= createClient(BotService, transport());
      return bots;
    },
    get artifacts() {
      artifacts ??= createClient(ArtifactService, transport());
      return artifacts;
    },
    list,
    onDisk,
    leavesNothing,
    refuses(cases) {
      it.each(cases)('%s', async (_title, data, code, status = 400) => {
        const before = await list();
        const { status: got, body } = await leavesNothing(() => orchestrator().post(data));
        expect([got, body.error?.code]).toEqual([status, code]);
        expect(Object.keys(body.error)).toEqual(['code', 'message', 'details', 'hint', 'example']);
        expect(body.error.hint).not.toBe('');
        expect(JSON.stringify(body).length).toBeLessThan(4096);
        expect(await list()).toEqual(before);
      });
    },
  };
}

/** What a call over gRPC was refused with. */
export async function grpcRefusal(call: Promise<unknown>) {
  const error = await call.then(
    () => new Error('it was not refused'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) throw error;
  return { code: error.code, detail: error.findDetails(ErrorDetailSchema)[0] };
}

export interface TarEntry {
  readonly name: string;
  readonly type?: tar.Header['type'];
  readonly linkname?: string;
  readonly content?: string;
}

/** A tar of anything; files hold "x" unless given otherwise. */
export async function tarOf(...entries: readonly TarEntry[]): Promise<Buffer> {
  const pack = tar.pack();
  for (const { content = 'x', ...header } of entries) {
    if (header.type === undefined) pack.entry(header, content);
    else pack.entry(header);
  }
  pack.finalize();
  return buffer(pack);
}
