import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withFileLock } from './file-lock.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe.skipIf(process.platform !== 'linux')('a file lock', () => {
  it('lets one work at a time and is free afterwards, also after a failure', async () => {
    const path = join(folder, 'lock');
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    };
    const failing = withFileLock(path, 5000, () => Promise.reject(new Error('failed inside')));
    await expect(failing).rejects.toThrow('failed inside');
    await Promise.all([1, 2, 3].map(() => withFileLock(path, 5000, work)));
    expect(most).toBe(1);
  });

  it('gives up in time, and is free again once its holder was killed', async () => {
    const path = join(folder, 'lock');
    const script = `import { withFileLock } from ${JSON.stringify(join(import.meta.dirname, 'file-lock.ts'))};
      await withFileLock(${JSON.stringify(path)}, 5000, () => { console.log('held'); return new Promise(() => setInterval(() => {}, 1000)); });`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(holder, 'exit');
    try {
      await once(holder.stdout, 'data');
      await expect(withFileLock(path, 1000, async () => {})).rejects.toThrow('another run holds');
    } finally {
      holder.kill('SIGKILL');
      await ended;
    }
    await withFileLock(path, 5000, async () => {});
  });
});
