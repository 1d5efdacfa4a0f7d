import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../../../test/kit/eventually.ts';
import { readExit, readProcessRecord, signalGroup, wrapperScript } from './wrapper.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'wrapper-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function wrap(n: number, ...command: readonly string[]) {
  const [record, exit] = [join(dir, `record.${n}`), join(dir, `exit.${n}`)];
  const argv = ['-c', wrapperScript, 'bot-runner', record, exit, ...command];
  const child = spawn('/bin/sh', argv, { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  return { child, record, exit, ended: once(child, 'exit') };
}

it('a signal that comes as soon as the bot is said to run ends it', async () => {
  for (let n = 0; n < 10; n++) {
    const { child, record, exit, ended } = wrap(n, 'sleep', '60');
    const pid = child.pid ?? expect.unreachable('it was not started');
    try {
      // Nothing else may happen between the two.
      for (const endMs = performance.now() + 10_000; !existsSync(record) && performance.now() < endMs; );
      signalGroup(pid, 'SIGTERM');
      expect(await eventually('it has ended', () => readExit(exit), Boolean)).toMatchObject({ code: 128 + 15 });
      await ended;
    } finally {
      signalGroup(pid, 'SIGKILL');
    }
  }
});

it('a wrapper that cannot say who it is starts nothing', async () => {
  const touched = join(dir, 'touched');
  // No file can take that name.
  mkdirSync(join(dir, 'record.1.new'));
  const wrapper = wrap(1, 'touch', touched);
  await wrapper.ended;
  expect(existsSync(touched)).toBe(false);
  expect(await readProcessRecord(wrapper.record)).toBeUndefined();
});

it('says who it is, and how the bot ended', async () => {
  const { child, record, exit, ended } = wrap(1, 'sh', '-c', 'exit 7');
  await ended;
  expect(await readProcessRecord(record)).toMatchObject({ pid: child.pid });
  expect(await readExit(exit)).toMatchObject({ code: 7 });
});
