import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { problem } from '#common/problem.ts';
import { explainStartError } from '#common/run-program.ts';
import { openText, sealText } from '#common/seal.ts';
import { Secret } from '#common/secret.ts';
import { createBotRecords, emptyKeptBot, type KeptBot } from '../bots/bot-records.ts';
import { LockHeldError, takeLock } from './lock-file.ts';
import { openStateDir } from './state-dir.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'worker-state-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

it.each(['key', 'worker-id', 'credential', 'taken.json', 'store-id', 'store-history', 'lock'])(
  'a folder in place of %s is named with its path, and changes nothing',
  async (name) => {
    const path = join(dir, name);
    await mkdir(path);
    const error = await openStateDir(dir, undefined).then(
      async (state) => state.close(),
      (reason: unknown) => reason,
    );
    expect(explainStartError(error)).toBe(
      `${path} is a folder, and should be a file: move it away, or choose another DATA_DIR`,
    );
    expect((await stat(path)).isDirectory()).toBe(true);
    await rm(path, { recursive: true });
    await (await openStateDir(dir, undefined)).close();
  },
);

describe('the lock', () => {
  it('is held by one, and free after its release', async () => {
    const path = join(dir, 'lock');
    const release = await takeLock(path);
    await expect(takeLock(path)).rejects.toThrow(LockHeldError);
    await release();
    await (await takeLock(path))();
    expect(await readdir(dir)).toEqual([]);
  });

  it('is taken over from a process that has died, and by one of many who try', async () => {
    const path = join(dir, 'lock');
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    await writeFile(path, JSON.stringify({ pid: child.pid, startTime: '1', nonce: 'x' }));
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => takeLock(path)));
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('is taken over when its pid now belongs to another process', async () => {
    const path = join(dir, 'lock');
    await writeFile(path, JSON.stringify({ pid: process.pid, startTime: 'another', nonce: 'x' }));
    await (await takeLock(path))();
  });

  it('that is torn is held by nobody', async () => {
    const path = join(dir, 'lock');
    await writeFile(path, '{"pid":');
    await (await takeLock(path))();
  });
});

describe('the state folder', () => {
  it('is for this user alone and keeps id and key', async () => {
    const path = join(dir, 'worker');
    const first = await openStateDir(path, undefined);
    expect(first.workerId).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
    await first.close();
    const second = await openStateDir(path, undefined);
    expect(second.workerId).toBe(first.workerId);
    expect(second.labelKey.reveal()).toEqual(first.labelKey.reveal());
    expect(second.labelKey.reveal()).not.toEqual(second.sealKey.reveal());
    expect(await modeOf(path)).toBe('700');
    expect(await modeOf(join(path, 'key'))).toBe('600');
    await second.close();
  });

  it('takes the id that is asked for and says which one it had', async () => {
    const first = await openStateDir(dir, 'one');
    await first.close();
    const second = await openStateDir(dir, 'two');
    expect([second.workerId, second.previousWorkerId]).toEqual(['two', 'one']);
    await second.close();
  });

  it('is rid of what a process that was killed was writing', async () => {
    await (await openStateDir(dir, undefined)).close();
    const dead = JSON.stringify({ pid: 2 ** 22 + 1, startTime: '1', nonce: 'x' });
    const left = ['key.0123456789ab.tmp', 'bots/x.json.0123456789ab.tmp', 'results/y.result.0123456789ab.tmp'];
    for (const name of left) await writeFile(join(dir, name), 'half');
    for (const name of ['lock.0123456789abcdef', 'lock.0123456789abcdef.claim']) await writeFile(join(dir, name), dead);
    await writeFile(join(dir, 'notes.tmp'), 'mine');
    const state = await openStateDir(dir, undefined);
    const there = await readdir(dir, { recursive: true });
    expect(there.filter((name) => /\.tmp$|lock\./.test(name))).toEqual(['notes.tmp']);
    await state.close();
  });

  it('refuses a second worker and a damaged key, and lets the lock go then', async () => {
    const first = await openStateDir(dir, undefined);
    await expect(openStateDir(dir, undefined)).rejects.toThrow(LockHeldError);
    await first.close();
    await writeFile(join(dir, 'key'), 'short');
    await expect(openStateDir(dir, undefined)).rejects.toThrow('is damaged');
    expect(await readdir(dir)).not.toContain('lock');
  });
});

describe('sealed text', () => {
  const key = new Secret(new Uint8Array(32).fill(7));

  it('opens with its key for what it was sealed for, and not otherwise', () => {
    const sealed = sealText(key, 'a secret', 'u/b');
    expect(sealed).not.toContain('secret');
    expect(openText(key, sealed, 'u/b')).toBe('a secret');
    expect(openText(key, sealed, 'u/c')).toBeUndefined();
    expect(openText(new Secret(new Uint8Array(32)), sealed, 'u/b')).toBeUndefined();
    expect(openText(key, 'AAAA', 'u/b')).toBeUndefined();
  });
});

describe('the records of bots', () => {
  const key = { userId: 'dev', botId: 'Echo' };
  const full: KeptBot = {
    ...emptyKeptBot(key),
    desired: { kind: 'running', epoch: 2n ** 60n, generation: 9n, revision: 8n, stopGraceMs: 5 },
    startedGeneration: 9n,
    image: { revision: 8n, digest: 'd' },
    failure: { epoch: 1n, generation: 2n, revision: 3n, problem: problem('BUILD_FAILED', 'no') },
    crashes: 3,
    settledEnd: { runId: 'c@1', kind: 'crash_loop', nextTryAtMs: 5, reason: 'r' },
  };

  it('come back as they were saved, and go when removed', async () => {
    const records = createBotRecords(dir, silentLogger);
    await records.save(full);
    expect(await createBotRecords(dir, silentLogger).loadAll()).toEqual([full]);
    await records.remove(key);
    await records.remove(key);
    expect(await records.loadAll()).toEqual([]);
  });

  it('that are damaged are set aside, not deleted, and the others stay', async () => {
    const records = createBotRecords(dir, silentLogger);
    await records.save(full);
    await writeFile(join(dir, 'abc.json'), '{"version":1,"key":{"userId":"dev"');
    await writeFile(join(dir, 'def.json'), await readFile(join(dir, (await readdir(dir)).sort().at(-1) ?? '')));
    expect(await records.loadAll()).toEqual([full]);
    expect((await readdir(dir)).filter((name) => name.endsWith('.damaged'))).toHaveLength(2);
  });
});
