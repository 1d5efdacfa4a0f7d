/**
 * The log of a bot that counts, through every kind of restart, on a Docker engine of its own that the test may kill.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadBaseImages } from '../kit/base-images/base-images.ts';
import { eventually } from '../kit/eventually.ts';
import { followLog, type LogFollower, type ShownLine } from '../kit/log-follower.ts';
import { deleteBot, startTestPlatform, type TestPlatform } from '../kit/platform-for-tests.ts';
import { type PrivateEngine, startPrivateEngine } from '../kit/private-engine/private-engine.ts';
import { startTcpProxy, type TcpProxy } from '../kit/tcp-proxy.ts';

const docker = inject('docker');
// A named engine is somebody's own: it is never killed.
const named = process.env['BOTRUNNER_TEST_DOCKER_HOST'] !== undefined;
const last = 200_000;
const longMs = 300_000;
const stepMs = 90_000;

/** Counts on from where it was ended, so that a number is missing or doubled only if the log lost or doubled it. */
const counter = (upTo: number, burst: number, pauseS: number) => `
import os, signal, sys, time
place = '/data/next'
n = int(open(place).read()) if os.path.exists(place) else 1
ending = False
def end(*_):
    global ending
    ending = True
signal.signal(signal.SIGTERM, end)
while n <= ${upTo} and not ending:
    after = min(n + ${burst}, ${upTo} + 1)
    sys.stdout.write(''.join('%d\\n' % i for i in range(n, after)))
    sys.stdout.flush()
    n = after
    time.sleep(${pauseS})
with open(place, 'w') as file:
    file.write(str(n))
while not ending:
    time.sleep(0.1)
`;

const numbersOf = (lines: readonly ShownLine[]) =>
  lines.filter(({ stream }) => stream === 'stdout').map(({ text }) => Number(text));
const newest = ({ lines }: LogFollower) => numbersOf(lines.slice(-200)).at(-1) ?? 0;

/** What is wrong with the sequence, in words; nothing when it rises by one, except where a gap is reported. */
function faults(lines: readonly ShownLine[]): string[] {
  const found: string[] = [];
  let expected = 1;
  let isGap = false;
  for (const { stream, text } of lines) {
    if (stream === 'gap') isGap = true;
    if (stream !== 'stdout') continue;
    const n = Number(text);
    if (n < expected) found.push(`${n} after ${expected - 1}`);
    if (n > expected && !isGap) found.push(`${expected} to ${n - 1} are missing`);
    expected = n + 1;
    isGap = false;
  }
  return found;
}

describe.skipIf('skip' in docker || named)('the log of a bot that counts to 200000', () => {
  let engine: PrivateEngine;
  let proxy: TcpProxy;
  let platform: TestPlatform;
  let files: string;
  const followers: LogFollower[] = [];

  beforeAll(async () => {
    engine = await startPrivateEngine();
    await loadBaseImages(engine.dockerHost, engine.packages);
    proxy = await startTcpProxy(() => platform?.port);
    platform = await startTestPlatform({
      RUNTIME: 'docker',
      DOCKER_HOST: engine.dockerHost,
      ORCHESTRATOR_URL: `http://127.0.0.1:${proxy.port}`,
    });
    files = mkdtempSync(join(tmpdir(), 'counter-'));
  }, longMs);
  afterAll(async () => {
    for (const follower of followers) await follower.kill();
    await platform?.[Symbol.asyncDispose]();
    await proxy?.close();
    await engine?.stop();
    if (files) rmSync(files, { recursive: true });
  }, longMs);

  const deploy = async (action: 'start' | 'update', code: string) => {
    const path = join(files, 'counter.py');
    writeFileSync(path, code);
    const told = await platform.cli([action, 'counter', '--simple', path]);
    expect(told, told.stderr).toMatchObject({ code: 0 });
  };
  const follow = (...args: string[]) => {
    const follower = followLog(platform, ['counter', '-f', ...args]);
    followers.push(follower);
    return follower;
  };
  /** The follower has moved on by some lines since now. */
  const goesOn = async (what: string, follower: LogFollower) => {
    const before = newest(follower);
    const seen = () => ({ newest: newest(follower), exitCode: follower.child.exitCode, stderr: follower.stderr() });
    await eventually(`lines come after ${what}`, seen, (now) => now.newest > before + 500, { timeoutMs: stepMs });
  };

  it('has every number once, whatever restarts', { timeout: longMs }, async () => {
    await deploy('start', counter(150_000, 100, 0.05));
    const steady = follow('--since', '1h');
    await goesOn('the start', steady);

    const killed = follow('--since', '1h');
    await goesOn('a second follower came', killed);
    await killed.kill();
    const cursor = killed.lines.at(-1)?.cursor ?? '';
    await goesOn('the second follower was killed', steady);
    const resumed = follow('--cursor', cursor);

    proxy.cut();
    await goesOn('the connection of the worker was cut', steady);
    await platform.stop('worker');
    await platform.start('worker');
    await goesOn('the worker was restarted', steady);
    await platform.kill('worker');
    await platform.start('worker');
    await goesOn('the worker was killed', steady);
    await platform.kill('orchestrator');
    await platform.start('orchestrator');
    await goesOn('the orchestrator was killed', steady);
    await engine.kill();
    await engine.start();
    await goesOn('the engine was killed', steady);
    expect(await platform.cli(['restart', 'counter'])).toMatchObject({ code: 0 });
    await goesOn('the bot was restarted', steady);
    await deploy('update', counter(last, 5000, 0));

    for (const follower of [steady, resumed]) {
      await eventually(
        'the last number comes',
        () => ({ newest: newest(follower), stderr: follower.stderr() }),
        (now) => now.newest === last,
        { timeoutMs: stepMs },
      );
    }
    expect(faults(steady.lines)).toEqual([]);
    expect(faults([...killed.lines, ...resumed.lines])).toEqual([]);
    const gaps = steady.lines.filter(({ stream }) => stream === 'gap').map(({ text }) => text);
    console.log(`numbers ${new Set(numbersOf(steady.lines)).size} of ${last}, gaps told: ${JSON.stringify(gaps)}`);
  });

  it('is all there after the bot was stopped', { timeout: longMs }, async () => {
    expect(await platform.cli(['stop', 'counter'])).toMatchObject({ code: 0 });
    const whole = followLog(platform, ['counter', '--since', '1h']);
    expect(await whole.ended).toBe(0);
    expect(faults(whole.lines)).toEqual([]);
    expect(numbersOf(whole.lines).at(-1)).toBe(last);
    await deleteBot(platform, 'counter');
  });
});
