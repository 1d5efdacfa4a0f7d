/** Settings that the original documents and never reads, and builds that it does not bound: on a real engine, each has its effect. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type SeedPlatform, startSeedPlatform } from '../e2e/seed/seed-platform.ts';
import { FileSet } from '../kit/base-images/file-set.ts';
import { eventually } from '../kit/eventually.ts';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import { callEngine } from '../kit/private-engine/engine-api.ts';
import { usableDocker } from '../kit/test-docker.ts';

const docker = inject('docker');
const longMs = 120_000;
const mib = 1024 * 1024;
const baseImage = 'botrunner-test-base:1';
const network = 'parity_network';
const clientToken = 'parity-client-token-3f2a';

describe.skipIf('skip' in docker)('settings of the operator, on Docker', { timeout: longMs }, () => {
  const { host } = usableDocker(docker);
  let seed: SeedPlatform;
  const engine = async (path: string, method = 'GET'): Promise<JsonBody> => {
    const { text } = await callEngine(host, path, { method });
    return text === '' ? undefined : JSON.parse(text);
  };
  beforeAll(async () => {
    const files = new FileSet();
    files.text('/Dockerfile', 'FROM python:3.11-slim\nENV BASE_MARK=ours\n');
    const build = await callEngine(host, `/build?t=${baseImage}`, { method: 'POST', body: files.pack() });
    expect(build).toMatchObject({ status: 200, text: expect.not.stringContaining('"error"') });
    seed = await startSeedPlatform(usableDocker(docker), {
      CLIENT_TOKEN: clientToken,
      CONTAINER_MEMORY_LIMIT: '96m',
      CONTAINER_CPU_LIMIT: '0.25',
      DOCKER_NETWORK: network,
      BASE_IMAGE: baseImage,
      MAX_BOTS_PER_USER: '1',
    });
  }, longMs);
  afterAll(async () => {
    // The helpers of the platform use the token that everybody knows, which here is none.
    await run('delete looking --purge -y');
    await run('delete slow --purge -y');
    await seed?.close();
    await engine(`/images/${baseImage}?force=1`, 'DELETE');
  }, longMs);
  const run = (command: string) => seed.run(`AVTOMATIKA_TOKEN=${clientToken} avtomatika-bot ${command}`);

  it('CLIENT_TOKEN has no effect: it is the only token that is taken', async () => {
    expect(await run('list')).toMatchObject({ code: 0, stdout: expect.stringContaining('0/1') });
    expect(await seed.run('AVTOMATIKA_TOKEN=test-client-token avtomatika-bot list')).toMatchObject({ code: 5 });
  });

  it('documented variables of the worker are never read: a bot gets the memory, CPU, network and base image that they say', async () => {
    writeFileSync(
      join(seed.dir, 'looking.py'),
      'import os, time\nprint("base", os.environ["BASE_MARK"], flush=True)\ntime.sleep(600)\n',
    );
    expect(await run('start looking --simple /tmp/looking.py')).toMatchObject({ code: 0 });
    const { container_id } = JSON.parse((await run('status looking --json')).stdout);
    expect((await engine(`/containers/${container_id}/json`)).HostConfig).toMatchObject({
      Memory: 96 * mib,
      MemorySwap: 96 * mib,
      NanoCpus: 250_000_000,
      NetworkMode: expect.stringMatching(/^parity_network_dev_[a-z2-7]{8}$/),
    });
    await eventually(
      'the bot says which base it has',
      () => run('logs looking -n 100'),
      ({ stdout }) => stdout.includes('base ours'),
    );
    expect(await run('start another --simple /tmp/looking.py')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('QUOTA_EXCEEDED'),
    });
    expect(await run('stop looking')).toMatchObject({ code: 0 });
  });

  it('builds run unconstrained: a step of a Dockerfile has bounds of memory, CPU, processes and files, and no privileges', async () => {
    mkdirSync(join(seed.dir, 'slow'), { recursive: true });
    writeFileSync(join(seed.dir, 'slow/Dockerfile'), 'FROM busybox:stable\nRUN echo begun && sleep 600\n');
    const known = new Set(((await engine('/containers/json')) as { Id: string }[]).map(({ Id }) => Id));
    const { job_id } = JSON.parse((await run('start slow --custom /tmp/slow/ --no-wait --json')).stdout);
    const step = await eventually(
      'the container of the step is there',
      async () => ((await engine('/containers/json')) as { Id: string }[]).find(({ Id }) => !known.has(Id)),
      (found) => found !== undefined,
      { timeoutMs: 30_000 },
    );
    const { HostConfig } = await engine(`/containers/${step?.Id}/json`);
    expect(HostConfig).toMatchObject({ Privileged: false, CapAdd: null });
    expect(HostConfig.NetworkMode).toMatch(/^parity_network_dev_[a-z2-7]{8}_build$/);
    expect(HostConfig.Memory).toBeGreaterThan(0);
    expect(HostConfig.MemorySwap).toBe(HostConfig.Memory);
    expect(HostConfig.CpuQuota).toBeGreaterThan(0);
    const bounded = HostConfig.Ulimits.map(({ Name }: { Name: string }) => Name);
    expect(bounded).toEqual(expect.arrayContaining(['nproc', 'nofile', 'core']));
    expect(await run(`cancel ${job_id}`)).toMatchObject({ code: 0 });
  });
});
