import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { botHash } from '#common/ids.ts';
import { silentLogger } from '#common/log.ts';
import { eventually } from '../../test/kit/eventually.ts';
import { userFile } from './bot-log.ts';
import { BotLogs } from './bot-logs.ts';
import { LogStream } from './log-entry.ts';
import { logLimits } from './log-store.ts';
import { planShrink } from './user-logs.ts';

const log = (hash: string, bytes: number, newestMs: number, follows = false) => ({ hash, bytes, newestMs, follows });

describe('of the logs of one user', () => {
  it('none shrinks while they are within the limit', () => {
    expect(planShrink([log('a', 50, 1), log('b', 50, 2, true)], 100)).toEqual([]);
    expect(planShrink([], 0)).toEqual([]);
  });

  it('those go first that were silent for longest, and only as far as they have to', () => {
    const logs = [log('old', 40, 1), log('runs', 1000, 0, true), log('older', 30, 0), log('new', 500, 9)];
    expect(planShrink(logs, 1569)).toEqual([
      { hash: 'older', mostBytes: 0 },
      { hash: 'old', mostBytes: 0 },
      { hash: 'new', mostBytes: 470 },
    ]);
  });

  it('of bots that run the largest shrink to one size, and what is small stays', () => {
    const logs = [log('flood', 900, 1, true), log('loud', 600, 1, true), log('quiet', 10, 0, true), log('gone', 5, 0)];
    const plan = planShrink(logs, 1024);
    expect(plan).toEqual([
      { hash: 'gone', mostBytes: 0 },
      { hash: 'flood', mostBytes: 475 },
      { hash: 'loud', mostBytes: 475 },
    ]);
    expect(planShrink(logs, 0).every(({ mostBytes }) => mostBytes === 0)).toBe(true);
  });
});

describe('the logs of a user on a worker', () => {
  const limit = 4 * 1024 * 1024;
  const runtime = { readOutput: () => new Promise<never>(() => {}), watchOutput: () => new Promise<never>(() => {}) };
  let dir = '';
  let logs: BotLogs;
  const open = () =>
    new BotLogs(
      dir,
      { runtime, clock: systemClock, logger: silentLogger, limits: logLimits(2 * 1024 * 1024, 86_400_000) },
      undefined,
      limit,
    );
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'user-logs-'));
    logs = open();
  });
  afterEach(async () => {
    await logs.close();
    await rm(dir, { recursive: true });
  });

  const of = (userId: string, botId: string) => logs.of({ userId, botId });
  /** About a mebibyte and a half. */
  const fill = async (userId: string, botId: string) => {
    const line = 'x'.repeat(15_000);
    for (let n = 0; n < 10; n += 1) await of(userId, botId).write(LogStream.BUILD, Array(10).fill(`${n} ${line}`));
  };
  const bytesOf = async (userId: string, botId: string): Promise<number> => {
    const folder = join(dir, botHash({ userId, botId }));
    const names = await readdir(folder).catch(() => []);
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
    return sizes.reduce((sum, size) => sum + size, 0);
  };
  const all = async (userId: string, bots: readonly string[]) => {
    const sizes = await Promise.all(bots.map((botId) => bytesOf(userId, botId)));
    return sizes.reduce((sum, size) => sum + size, 0);
  };
  const lastOf = async (userId: string, botId: string) => {
    const text = await readFile(join(dir, botHash({ userId, botId }), (await segments(userId, botId)).at(-1) ?? ''));
    return text.toString();
  };
  const segments = async (userId: string, botId: string) =>
    (await readdir(join(dir, botHash({ userId, botId })))).filter((name) => name.endsWith('.log')).sort();

  const names = Array.from({ length: 12 }, (_, n) => `b${n}`);

  it('stay within its limit however many bots it starts and stops, with the newest lines, and cost nobody else any', async () => {
    await fill('ann', 'hers');
    const hers = await bytesOf('ann', 'hers');
    for (const botId of names) await fill('eve', botId);
    await eventually(
      'they are within the limit',
      () => all('eve', names),
      (bytes) => bytes <= limit + 300_000,
    );
    expect(await bytesOf('ann', 'hers')).toBe(hers);
    expect(await bytesOf('eve', 'b11')).toBeGreaterThan(1_000_000);
    expect(await lastOf('eve', 'b0')).toContain('older lines were removed');
  });

  it.each([
    ['', false],
    [', and beside one that cannot be read', true],
  ])('count after the worker was restarted, also those of bots that are not here any more%s', async (_, damaged) => {
    const former = join(dir, botHash({ userId: 'eve', botId: 'b0' }));
    for (const botId of names.slice(0, 2)) await fill('eve', botId);
    await fill('ann', 'hers');
    await logs.close();
    logs = open();
    if (damaged) await mkdir(join(dir, '0'.repeat(64), userFile), { recursive: true });
    await logs.measure();
    for (const botId of names.slice(2, 5)) await fill('eve', botId);
    await eventually(
      'the one that is gone has made room',
      () => readdir(former).catch(() => 'gone'),
      (is) => is === 'gone',
    );
    expect(await bytesOf('ann', 'hers')).toBeGreaterThan(1_000_000);
  });

  it('of bots that are gone are kept in memory no longer, and hold no file open', async () => {
    const open = async () => (await readdir('/proc/self/fd')).length;
    const before = await open();
    for (let n = 0; n < 50; n += 1) {
      await of('eve', `n${n}`).note('stopped');
      if (n % 2 === 0) await of('eve', `n${n}`).remove();
      logs.forget({ userId: 'eve', botId: `n${n}` });
    }
    await eventually('they are closed', open, (count) => count <= before + 2);
    expect(await of('eve', 'n1').nextSeq()).toBe(2);
    // One that comes back at once continues where it was.
    for (let n = 2; n < 20; n += 1) {
      const writing = of('eve', 'n1').note('stopped');
      logs.forget({ userId: 'eve', botId: 'n1' });
      expect(await of('eve', 'n1').nextSeq()).toBe(n + 1);
      await writing;
    }
  });
});
