/** A test run that brings up servers is ended in the middle: none of its processes and folders is left. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkout, checkoutPath } from '../../../scripts/process/checkout.ts';
import { eventually } from '../eventually.ts';

interface Held {
  readonly folder: string;
  readonly port: number;
  readonly pid: number;
}

it.each([
  ['Ctrl-C', 'SIGINT', 'group'],
  ['SIGINT to the command alone', 'SIGINT', 'process'],
  ['SIGTERM to the command alone', 'SIGTERM', 'process'],
] as const)(
  'nothing is left after %s',
  async (_, signal, whom) => {
    const file = join(mkdtempSync(join(tmpdir(), 'held-')), 'held.json');
    const args = [
      checkoutPath('scripts', 'test.ts'),
      '--config',
      checkoutPath('test', 'kit', 'leave-nothing', 'held.config.ts'),
    ];
    // Outside of this process's own folder: this one's keeper must not be what removes it.
    const env = { ...process.env, TMPDIR: process.env['BOTRUNNER_ENGINES_DIR'], BOTRUNNER_HELD: file };
    const run = spawn(process.execPath, args, { cwd: checkout, env, detached: true, stdio: 'ignore' });
    const ended = once(run, 'exit');
    const held = await eventually(
      'the run holds its servers',
      () => (existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8') || '{}') as Partial<Held>) : {}),
      ({ pid }) => pid !== undefined,
      { timeoutMs: 100_000 },
    );
    const { folder = '', port = 0, pid = 0 } = held;
    expect([existsSync(folder), await answers(port), isAlive(pid)]).toEqual([true, true, true]);
    process.kill(whom === 'group' ? -(run.pid ?? 0) : (run.pid ?? 0), signal);
    await ended;
    await eventually(
      'nothing is left',
      async () => ({ folder: existsSync(folder), nats: await answers(port), sleep: isAlive(pid) }),
      (left) => !left.folder && !left.nats && !left.sleep,
      { timeoutMs: 30_000 },
    );
  },
  180_000,
);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // Killed and not yet reaped is dead enough.
    return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.setTimeout(5_000, () => socket.destroy());
  });
}
