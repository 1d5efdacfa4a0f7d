/** The main job without Docker: the process runtime, through the real programs and the real CLI. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { followLog, type LogFollower } from '../kit/log-follower.ts';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import { deleteBot, startTestPlatform, type TestPlatform } from '../kit/platform-for-tests.ts';

const canary = 'canary-secret-83b1dd0c57';
const longMs = 90_000;

describe('bots as plain processes', () => {
  let platform: TestPlatform;
  let files: string;
  beforeAll(async () => {
    platform = await startTestPlatform({ RUNTIME: 'process', MAX_BOTS_PER_USER: '20' });
    files = mkdtempSync(join(tmpdir(), 'bots-'));
  }, longMs);
  afterAll(async () => {
    await platform?.[Symbol.asyncDispose]();
    if (files) rmSync(files, { recursive: true });
  }, longMs);

  /** A bot that says its pid and then counts. */
  const counting = (name: string): string => {
    const path = join(files, `${name}.mjs`);
    writeFileSync(
      path,
      'console.log(`pid ${process.pid}`); let n = 0; setInterval(() => console.log(`tick ${++n}`), 50);\nprocess.on("SIGTERM", () => { console.log("bye"); process.exit(0); });\n',
    );
    return path;
  };
  const logOf = async (bot: string) => (await platform.cli(['logs', bot, '-n', '10000'])).stdout;
  const pids = async (bot: string) =>
    [...(await logOf(bot)).matchAll(/^pid (\d+)$/gm)].map((match) => Number(match[1]));
  const runs = (pid: number) => existsSync(`/proc/${pid}`);

  it('a bot starts, is listed as process, and stops', { timeout: longMs }, async () => {
    expect(await platform.cli(['start', 'plain', '--simple', counting('plain')])).toMatchObject({ code: 0 });
    expect((await platform.cli(['list'])).stdout).toMatch(/plain +running .* process/);
    const [pid = 0] = await eventually(
      'it says its pid',
      () => pids('plain'),
      (found) => found.length === 1,
    );
    expect(runs(pid)).toBe(true);
    expect((await platform.cli(['stop', 'plain'])).code).toBe(0);
    expect(runs(pid)).toBe(false);
    expect(await logOf('plain')).toMatch(/bye/);
    await deleteBot(platform, 'plain');
  });

  it('a restart keeps what the bot wrote beside itself, and its log has no hole', { timeout: longMs }, async () => {
    const path = join(files, 'keeper.mjs');
    writeFileSync(
      path,
      `import { appendFileSync, readFileSync } from 'node:fs';
      appendFileSync('kept.txt', 'x');
      console.log('pid ' + process.pid + ' kept ' + readFileSync('kept.txt', 'utf8').length);
      setInterval(() => {}, 1000);\n`,
    );
    const kept = async () => [...(await logOf('keeper')).matchAll(/^pid \d+ kept (\d)$/gm)].map(([, count]) => count);
    expect(await platform.cli(['start', 'keeper', '--simple', path])).toMatchObject({ code: 0 });
    expect(await platform.cli(['restart', 'keeper'])).toMatchObject({ code: 0 });
    expect(await kept()).toEqual(['1', '2']);
    expect(await platform.cli(['stop', 'keeper'])).toMatchObject({ code: 0 });
    expect(await platform.cli(['restart', 'keeper'])).toMatchObject({ code: 0 });
    await deleteBot(platform, 'keeper');
  });

  it('a follower that stalls holds up neither the bot nor another follower, and misses nothing when it continues', {
    timeout: longMs,
  }, async () => {
    const count = 60_000;
    const path = join(files, 'flood.mjs');
    writeFileSync(
      path,
      `console.log(\`pid \${process.pid}\`); setInterval(() => {}, 1000); process.on("SIGUSR2", () => {
        for (let n = 1; n <= ${count}; n++) console.log(\`line \${n} \${"x".repeat(100)}\`);
      });\n`,
    );
    expect((await platform.cli(['start', 'flood', '--simple', path])).code).toBe(0);
    const numbers = (follower: LogFollower) =>
      follower.lines.flatMap(({ text }) => (text.startsWith('line ') ? [Number(text.split(' ')[1])] : []));
    const followers = [followLog(platform, ['flood', '-f']), followLog(platform, ['flood', '-f'])] as const;
    const [stalled, quick] = followers;
    try {
      for (const { lines } of followers) {
        await eventually(
          'it follows',
          () => lines.length,
          (shown) => shown > 0,
          { timeoutMs: 30_000 },
        );
      }
      const pid = Number(/^pid (\d+)/.exec(quick.lines.find(({ text }) => text.startsWith('pid '))?.text ?? '')?.[1]);
      stalled.child.kill('SIGSTOP');
      process.kill(pid, 'SIGUSR2');
      const seen = async (follower: LogFollower) =>
        eventually(
          'it saw the last line',
          () => numbers(follower).at(-1),
          (last) => last === count,
          { timeoutMs: 60_000 },
        );
      await seen(quick);
      expect(numbers(stalled).at(-1) ?? 0).toBeLessThan(count);
      stalled.child.kill('SIGCONT');
      await seen(stalled);
      const all = Array.from({ length: count }, (_, index) => index + 1);
      for (const follower of followers) expect(numbers(follower)).toEqual(all);
    } finally {
      for (const follower of followers) await follower.kill();
    }
    await deleteBot(platform, 'flood');
  });

  it('a running bot outlives kill -9 of both programs, is the same process after, and its log has no hole', {
    timeout: longMs,
  }, async () => {
    expect((await platform.cli(['start', 'survivor', '--simple', counting('survivor')])).code).toBe(0);
    const [pid = 0] = await eventually(
      'it says its pid',
      () => pids('survivor'),
      (found) => found.length === 1,
    );
    const before = await platform.status('survivor');
    await platform.kill('worker');
    await platform.kill('orchestrator');
    expect(runs(pid)).toBe(true);
    await platform.start('orchestrator');
    await platform.start('worker');
    const after = await eventually(
      'it is reported again',
      () => platform.status('survivor'),
      ({ status, observed_at }) => status === 'running' && observed_at > before.observed_at,
      { timeoutMs: 20_000 },
    );
    expect(after).toMatchObject({ container_id: before.container_id, started_at: before.started_at, restarts: 0 });
    expect(await pids('survivor')).toEqual([pid]);
    const ticks = [...(await logOf('survivor')).matchAll(/^tick (\d+)$/gm)].map((match) => Number(match[1]));
    expect(ticks).toEqual(ticks.map((_, index) => index + 1));
    await deleteBot(platform, 'survivor');
    expect(runs(pid)).toBe(false);
  });

  it('a graceful end of the worker ends its bots, and its next start brings them back', {
    timeout: longMs,
  }, async () => {
    expect((await platform.cli(['start', 'returns', '--simple', counting('returns')])).code).toBe(0);
    const [first = 0] = await eventually(
      'it says its pid',
      () => pids('returns'),
      (found) => found.length === 1,
    );
    expect(await platform.stop('worker')).toBe(0);
    expect(runs(first)).toBe(false);
    await platform.start('worker');
    const [, second = 0] = await eventually(
      'it says a new pid',
      () => pids('returns'),
      (found) => found.length === 2,
      { timeoutMs: 20_000 },
    );
    expect(runs(second)).toBe(true);
    await eventually(
      'it is reported as running',
      () => platform.status('returns'),
      (seen) => seen.status === 'running',
    );
    await deleteBot(platform, 'returns');
  });

  it('an orchestrator whose store was lost cannot make the worker remove its bots', { timeout: longMs }, async () => {
    expect((await platform.cli(['start', 'kept', '--simple', counting('kept')])).code).toBe(0);
    const [pid = 0] = await eventually(
      'it says its pid',
      () => pids('kept'),
      (found) => found.length === 1,
    );
    await platform.kill('worker');
    await platform.kill('orchestrator');
    const store = join(platform.dir, 'data', 'orchestrator');
    renameSync(store, `${store}.away`);
    await platform.start('orchestrator');
    await platform.start('worker');
    await eventually(
      'the worker says why it does not obey',
      () => platform.log('worker'),
      (text) => text.includes("store is not the one that this worker's bots belong to"),
      { timeoutMs: 20_000 },
    );
    expect(runs(pid)).toBe(true);
    await platform.kill('worker');
    await platform.kill('orchestrator');
    rmSync(store, { recursive: true });
    renameSync(`${store}.away`, store);
    await platform.start('orchestrator');
    await platform.start('worker');
    // The store still says "running"; that the log can be read again shows that the worker is back with the same process.
    expect(
      await eventually(
        'the log can be read again',
        () => pids('kept'),
        (found) => found.length > 0,
        { timeoutMs: 20_000 },
      ),
    ).toEqual([pid]);
    await deleteBot(platform, 'kept');
  });

  it('a secret of a bot is in no file of the platform, however the bot prints it', { timeout: longMs }, async () => {
    const path = join(files, 'secret.mjs');
    writeFileSync(path, 'process.stderr.write("up\\n"); setInterval(() => {}, 1000);\n');
    expect((await platform.cli(['start', 'secretive', '--simple', path, '-e', `MY_SECRET=${canary}`])).code).toBe(0);
    await platform.kill('worker');
    await platform.kill('orchestrator');
    const holding = readdirSync(platform.dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => readFileSync(file).includes(canary));
    expect(holding).toEqual([]);
    await platform.start('orchestrator');
    await platform.start('worker');
    await eventually(
      'the bot is reported again',
      () => platform.status('secretive'),
      ({ status }) => status === 'running',
      { timeoutMs: 20_000 },
    );
    await deleteBot(platform, 'secretive');
  });

  it('a bot whose worker lost its folder is never said to be stopped, and the operator decides about it', {
    timeout: longMs,
  }, async () => {
    expect((await platform.cli(['start', 'orphan', '--simple', counting('orphan')])).code).toBe(0);
    const [pid = 0] = await eventually(
      'it says its pid',
      () => pids('orphan'),
      (found) => found.length === 1,
    );
    await platform.kill('worker');
    const folder = join(platform.dir, 'data', 'worker');
    // It still is who it was, as with WORKER_ID after a readmission.
    for (const name of readdirSync(folder)) {
      if (name !== 'worker-id' && name !== 'credential') rmSync(join(folder, name), { recursive: true });
    }
    await platform.start('worker');
    await eventually(
      'the worker tells of it',
      () => platform.status('orphan'),
      ({ status, reason }) => status === 'unknown' && String(reason).includes('worker adopt'),
      { timeoutMs: 20_000 },
    );
    const stopped = await platform.cli(['stop', 'orphan']);
    expect(stopped).toMatchObject({ code: 1, stderr: expect.stringContaining('CONTAINER_NOT_OWNED') });
    expect((await platform.cli(['start', 'orphan', '--simple', counting('orphan')])).code).toBe(1);
    expect(runs(pid)).toBe(true);
    const admin = async (method: string, body: object) => {
      const headers = { authorization: 'Bearer test-admin-token', 'content-type': 'application/json' };
      const url = `${platform.url}/botrunner.v1.AdminService/${method}`;
      return (await (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).json()) as JsonBody;
    };
    const workerId = readFileSync(join(folder, 'worker-id'), 'utf8').trim();
    const { strays } = await admin('ListStrays', { workerId });
    expect(strays).toMatchObject([{ name: expect.stringMatching(/^bot_dev_orphan_/), running: true }]);
    expect(await admin('AdoptStrays', { workerId, remove: [strays[0].id] })).toMatchObject({ outcomes: [{}] });
    expect(runs(pid)).toBe(false);
    expect((await platform.cli(['start', 'orphan', '--simple', counting('orphan')])).code).toBe(0);
    expect((await platform.cli(['stop', 'orphan'])).code).toBe(0);
    await deleteBot(platform, 'orphan');
  });

  it('logs -f shows a line soon after it was printed, and continues after kill -9 of the orchestrator', {
    timeout: longMs,
  }, async () => {
    expect((await platform.cli(['start', 'followed', '--simple', counting('followed')])).code).toBe(0);
    const stop = new AbortController();
    let seen = '';
    const following = platform.cli(['logs', 'followed', '-f', '-n', '10000'], {
      signal: stop.signal,
      onStdout: (text) => {
        seen += text;
      },
    });
    const lastTick = () => Number([...seen.matchAll(/^tick (\d+)$/gm)].at(-1)?.[1] ?? 0);
    await eventually('lines come', lastTick, (tick) => tick > 5);
    await platform.kill('orchestrator');
    const atKill = lastTick();
    await platform.start('orchestrator');
    await eventually('lines come again', lastTick, (tick) => tick > atKill + 20, { timeoutMs: 30_000 });
    stop.abort();
    expect((await following).code).toBe(130);
    const ticks = [...seen.matchAll(/^tick (\d+)$/gm)].map((match) => Number(match[1]));
    expect(ticks).toEqual(ticks.map((_, index) => index + 1));
    await deleteBot(platform, 'followed');
  });
});
