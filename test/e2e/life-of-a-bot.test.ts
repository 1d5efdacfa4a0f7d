/**
 * One bot through every command of its life, on the engine that the tests have: also Podman, with
 * BOTRUNNER_TEST_ENGINE=podman npm test -- test/e2e/life-of-a-bot.test.ts
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { startTestPlatform, type TestPlatform } from '../kit/platform-for-tests.ts';
import { callEngine } from '../kit/private-engine/engine-api.ts';
import { usableDocker } from '../kit/test-docker.ts';

const docker = inject('docker');
const longMs = 180_000;

/** Prints its version and a count that it keeps in /data, then ticks. */
const source = (version: number) => `import signal, sys, time
count = 0
try:
    count = int(open("/data/count").read())
except FileNotFoundError:
    pass
open("/data/count", "w").write(str(count + 1))
print(f"version ${version} run {count + 1}", flush=True)
signal.signal(signal.SIGTERM, lambda *_: (print("good bye", flush=True), sys.exit(0)))
while True:
    print("tick", flush=True)
    time.sleep(0.2)
`;

describe.skipIf('skip' in docker)('a bot', () => {
  const engine = usableDocker(docker);
  let platform: TestPlatform;
  let dir: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'life-'));
    platform = await startTestPlatform({ RUNTIME: 'docker', DOCKER_HOST: engine.host });
  }, longMs);
  afterAll(async () => {
    await platform?.[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  }, longMs);

  it('is started, followed, updated, stopped, started again, restarted, seen to crash, and deleted', {
    timeout: longMs,
  }, async () => {
    const file = join(dir, 'bot.py');
    const ofBot = encodeURIComponent(JSON.stringify({ label: ['bot_id=life'] }));
    const done = async (...words: string[]) => {
      const end = await platform.cli(words);
      expect({ words, ...end }).toMatchObject({ words, code: 0 });
      return end.stdout;
    };
    const untilLogged = (text: string) =>
      eventually(
        `the log has ${text}`,
        () => done('logs', 'life', '-n', '500'),
        (log) => log.includes(text),
        { timeoutMs: 30_000 },
      );
    writeFileSync(file, source(1));
    await done('start', 'life', '--simple', file);
    const follow = new AbortController();
    const followed = await platform.cli(['logs', 'life', '-f'], {
      signal: follow.signal,
      onStdout: (text) => (text.match(/tick/g)?.length ?? 0) >= 5 && follow.abort(),
    });
    expect(followed.stdout).toContain('version 1 run 1');
    expect(await platform.status('life')).toMatchObject({ status: 'running' });

    writeFileSync(file, source(2));
    await done('update', 'life', '--simple', file);
    await untilLogged('version 2 run 2');
    await done('stop', 'life');
    expect(await platform.status('life')).toMatchObject({ status: 'stopped' });
    await untilLogged('good bye');
    await done('restart', 'life');
    await untilLogged('version 2 run 3');
    await done('restart', 'life');
    await untilLogged('version 2 run 4');

    writeFileSync(file, 'import time\ntime.sleep(8)\nraise SystemExit(7)\n');
    await done('update', 'life', '--simple', file);
    // Only the engine's event reports it so soon: the worker itself looks far more rarely.
    await eventually(
      'its end is known',
      () => platform.status('life'),
      ({ status, exit_code: code }) => status === 'crash_loop' && code === 7,
      { timeoutMs: 30_000 },
    );
    const workers = (await platform.cli(['worker', 'list', '--json', '--token', 'test-admin-token'])).stdout;
    const version: string = JSON.parse(workers).workers[0].engine_version;
    expect(version).toMatch(engine.podman === undefined ? /^docker \d/ : `podman ${engine.podman}`);

    const { text: volumes } = await callEngine(engine.host, `/volumes?filters=${ofBot}`);
    expect(volumes).toContain('bot_data_');
    await done('delete', 'life', '--purge', '--yes');
    for (const path of ['/containers/json?all=true', '/images/json?all=true', '/volumes']) {
      const { text } = await callEngine(engine.host, `${path}${path.includes('?') ? '&' : '?'}filters=${ofBot}`);
      expect({ path, left: text.trim() }).toMatchObject({
        path,
        left: expect.stringMatching(/^\[\]$|"Volumes":(?:null|\[\])/),
      });
    }
  });
});
