/** A bot's environment and limits changed without its source, through the real programs, on an engine. As a process: docs/REST.md, whose examples are run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import { startTestPlatform, type TestPlatform } from '../kit/platform-for-tests.ts';
import { callEngine } from '../kit/private-engine/engine-api.ts';
import { usableDocker } from '../kit/test-docker.ts';

const docker = inject('docker');
const longMs = 180_000;
// Says what it was given; ends with an error for the value "bad"; tells the signals that it is asked to end with.
const source = `import os, signal, sys, time
print("has", os.environ.get("A"), os.environ.get("B"), flush=True)
if os.environ.get("A") == "bad":
    sys.exit("A is bad")
for name in ("SIGTERM", "SIGINT"):
    signal.signal(getattr(signal, name), lambda number, _: (print("got", signal.Signals(number).name, flush=True), sys.exit(0)))
while True:
    time.sleep(0.1)
`;

describe.skipIf('skip' in docker)('a bot', () => {
  const { host } = usableDocker(docker);
  let platform: TestPlatform;
  let dir: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'configure-'));
    writeFileSync(join(dir, 'bot.py'), source);
    platform = await startTestPlatform({ RUNTIME: 'docker', DOCKER_HOST: host });
  }, longMs);
  afterAll(async () => {
    await platform?.cli(['delete', 'conf', '--purge', '--yes']);
    await platform?.[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  }, longMs);

  const run = async (code: number, ...words: string[]) => {
    const end = await platform.cli(words);
    expect({ words, ...end }).toMatchObject({ words, code });
    return end;
  };
  const json = async (...words: string[]): Promise<JsonBody> => JSON.parse((await run(0, ...words, '--json')).stdout);
  const untilLogged = (text: string, times = 1) =>
    eventually(
      `the log has ${text}`,
      async () => (await platform.cli(['logs', 'conf', '-n', '500'])).stdout,
      (log) => log.split(text).length > times,
      { timeoutMs: 30_000 },
    );
  const container = async (): Promise<JsonBody> => {
    const { container_id: id } = await platform.status('conf');
    return JSON.parse((await callEngine(host, `/containers/${id}/json`)).text);
  };
  const build = async () => (await run(0, 'logs', 'conf', '-n', '500', '--build')).stdout;

  it('gets other variables and limits with its image', { timeout: longMs }, async () => {
    await run(0, 'start', 'conf', '--simple', join(dir, 'bot.py'), '-e', 'A=1', '-e', 'B=x');
    const built = await build();
    const set = await json('env', 'set', 'conf', 'A=2', 'C=3');
    expect(set).toMatchObject({ status: 'configured', bot_id: 'conf' });
    await untilLogged('has 2 x');
    const { env: names } = await json('env', 'list', 'conf');
    expect(names.map(({ name, job_id }: JsonBody) => [name, job_id === set['job_id']])).toEqual([
      ['A', true],
      ['B', false],
      ['C', true],
    ]);
    await run(0, 'limits', 'set', 'conf', '--pids', '200', '--stop-signal', 'INT', '--stop-grace', '20s');
    const { HostConfig: limits, Config: config } = await container();
    expect([limits.PidsLimit, config.StopSignal]).toEqual([200, 'SIGINT']);
    expect(await build()).toBe(built);
    await run(0, 'stop', 'conf');
    await untilLogged('got SIGINT');
  });

  it('keeps them while it is stopped, and goes back when they are bad', { timeout: longMs }, async () => {
    expect((await run(0, 'env', 'unset', 'conf', 'B')).stdout).toContain('conf is stopped: it was not started');
    expect(await platform.status('conf')).toMatchObject({ status: 'stopped' });
    await run(0, 'restart', 'conf');
    await untilLogged('has 2 None');
    const bad = await run(1, 'env', 'set', 'conf', 'A=bad');
    expect(bad.stderr).toContain('UPDATE_ROLLED_BACK: With its new settings the bot ended with exit code 1');
    await untilLogged('has 2 None', 2);
  });
});
