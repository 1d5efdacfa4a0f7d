/** The standard gRPC services, asked by a stock client: `buf curl`, which learns the contract by reflection. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';

const buf = join(import.meta.dirname, '../../node_modules/.bin/buf');
let orchestrator: TestOrchestrator;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
});
afterAll(() => orchestrator[Symbol.asyncDispose]());

const curl = (path: string, ...args: string[]) =>
  promisify(execFile)(buf, [
    'curl',
    '--protocol',
    'grpc',
    '--http2-prior-knowledge',
    ...args,
    `${orchestrator.url}${path}`,
  ]);

describe('buf curl with reflection', { timeout: 30_000 }, () => {
  it('lists the services', async () => {
    const { stdout } = await curl('', '--list-services');
    expect(stdout.trim().split('\n').sort()).toEqual([
      'botrunner.v1.AdminService',
      'botrunner.v1.ArtifactService',
      'botrunner.v1.BotService',
      'botrunner.v1.JobService',
      'botrunner.v1.WorkerService',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
    ]);
  });

  it('calls a method it has never seen the proto of', async () => {
    const { stdout } = await curl(
      '/botrunner.v1.BotService/ListBots',
      '-H',
      'Authorization: Bearer test-client-token',
      '-d',
      '{}',
    );
    expect(JSON.parse(stdout)).toEqual({ maxBots: 3 });
  });

  it('asks for the health of the server and of a service', async () => {
    expect(JSON.parse((await curl('/grpc.health.v1.Health/Check', '-d', '{}')).stdout)).toEqual({ status: 'SERVING' });
    const bots = await curl('/grpc.health.v1.Health/Check', '-d', '{"service":"botrunner.v1.BotService"}');
    expect(JSON.parse(bots.stdout)).toEqual({ status: 'SERVING' });
    await expect(curl('/grpc.health.v1.Health/Check', '-d', '{"service":"nope"}')).rejects.toThrow(/not_found/);
  });
});
