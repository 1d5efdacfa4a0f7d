import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { overDiskReason } from '#common/over-disk.ts';
import { BotState, DiskKind, type ProtectionSchema } from '#gen/botrunner/v1/bot_pb.js';
import { FakeOrchestrator, fakeTimeMs } from '../testing/fake-orchestrator.ts';
import { runCli } from '../testing/run-cli.ts';

const at = (seconds: number) => timestampFromMs(fakeTimeMs + seconds * 1000);

describe('status', () => {
  it('shows every known fact of a bot that crashes, and ends with 3', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.addBot({
      botId: 'b',
      state: BotState.CRASH_LOOP,
      reason: 'it ended with exit code 137',
      nextTryAt: at(4),
      exitCode: 137,
      oomKilled: true,
      restarts: 3,
      startedAt: at(-2),
      finishedAt: at(-1),
      containerName: 'bot_dev_b_abc',
      runtime: 'docker',
      workerId: 'w1',
      observedAt: at(0),
    });
    expect(await runCli(['status', 'b'], { orchestrator })).toEqual({
      exitCode: 3,
      stdout: [
        'b',
        '  State      crash_loop',
        '  Reason     it ended with exit code 137',
        '  Next try   2026-11-22T15:00:04Z',
        '  Exit code  137 (out of memory)',
        '  Restarts   3',
        '  Started    2026-11-22T14:59:58Z',
        '  Ended      2026-11-22T14:59:59Z',
        '  Container  bot_dev_b_abc',
        '  Runtime    docker',
        '  Worker     w1',
        '  Observed   2026-11-22T15:00:00Z',
        '  Logs       avtomatika-bot logs b',
        '',
      ].join('\n'),
      stderr: '',
    });
  });

  it('shows what the log says is wrong, and what the operator has to say', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.addBot({
      botId: 'b',
      state: BotState.RUNNING,
      diagnosis: 'Telegram answers 409 Conflict: another program is polling',
      notice: 'The bot will be stopped soon.',
      stopsAt: at(600),
    });
    const { exitCode, stdout } = await runCli(['status', 'b'], { orchestrator });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('  Diagnosis  Telegram answers 409 Conflict: another program is polling\n');
    expect(stdout).toContain('  Notice     The bot will be stopped soon.\n');
    expect(stdout).toContain('  Stops at   2026-11-22T15:10:00Z\n');
  });

  it.each<[string, MessageInitShape<typeof ProtectionSchema>, string | undefined]>([
    ['usual', { runtimeClass: 'runc', user: '10001:10001', disk: DiskKind.WATCH }, undefined],
    ['unknown', { disk: 99 as DiskKind }, undefined],
    [
      'much',
      { readOnly: true, runtimeClass: 'runsc', user: 'app', disk: DiskKind.SIZED },
      'read-only root file system, runtime runsc, runs as app, /data of a fixed size',
    ],
    ['little', { runtimeClass: 'crun', user: 'root', disk: DiskKind.OFF }, 'runs as root, no limit on disk space'],
    ['hostile', { user: 'a\u001b[2Jb' }, 'runs as a\\x1b[2Jb'],
  ])('shows what protects others from a bot where that is not as usual: %s', async (_title, protection, text) => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.addBot({ botId: 'b', protection });
    const { stdout } = await runCli(['status', 'b'], { orchestrator });
    expect(/ {2}Protection +(.*)\n/.exec(stdout)?.[1]).toBe(text);
  });

  it('prints all of it in JSON, and null where nothing is known', async () => {
    const orchestrator = new FakeOrchestrator();
    const json = async (protection?: MessageInitShape<typeof ProtectionSchema>) => {
      orchestrator.addBot({ botId: 'b', ...(protection && { protection }) });
      return JSON.parse((await runCli(['status', 'b', '--json'], { orchestrator })).stdout).protection;
    };
    expect(await json()).toBeNull();
    expect(await json({ runtimeClass: 'runc', user: '10001:10001', disk: DiskKind.WATCH })).toEqual({
      read_only: false,
      runtime_class: 'runc',
      user: '10001:10001',
      disk: 'watch',
    });
    const unknown = { read_only: true, runtime_class: null, user: null, disk: null };
    expect(await json({ readOnly: true })).toEqual(unknown);
    expect(await json({ readOnly: true, disk: 99 as DiskKind })).toEqual(unknown);
  });

  it.each<[BotState, number]>([
    [BotState.PENDING, 0],
    [BotState.BUILDING, 0],
    [BotState.PULLING, 0],
    [BotState.STARTING, 0],
    [BotState.RUNNING, 0],
    [BotState.EXITED, 0],
    [BotState.STOPPING, 0],
    [BotState.STOPPED, 0],
    [BotState.CRASH_LOOP, 3],
    [BotState.FAILED, 3],
    [BotState.UNKNOWN, 3],
    [BotState.LOST, 3],
    [BotState.UNSPECIFIED, 3],
    [99 as BotState, 3],
  ])('of state %i ends with %i', async (state, exitCode) => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.addBot({ botId: 'b', state });
    expect((await runCli(['status', 'b'], { orchestrator })).exitCode).toBe(exitCode);
  });

  it('of a bot that was stopped for what it had written ends with 3, whatever its exit code', async () => {
    const orchestrator = new FakeOrchestrator();
    const reason = overDiskReason('has written 105 MiB of 64 MiB in /data');
    orchestrator.addBot({ botId: 'b', state: BotState.EXITED, exitCode: 0, reason });
    expect((await runCli(['status', 'b'], { orchestrator })).exitCode).toBe(3);
  });

  it('of an unknown bot is refused with 1', async () => {
    expect(await runCli(['status', 'nope'])).toEqual({
      exitCode: 1,
      stdout: '',
      stderr:
        'Error BOT_NOT_FOUND: There is no such bot.\n  Hint: List your bots with: avtomatika-bot list\n  Example: avtomatika-bot list\n',
    });
  });

  it('prints one JSON object, and the refusal as one too', async () => {
    const orchestrator = new FakeOrchestrator();
    orchestrator.addBot({ botId: 'b', exitCode: 0 });
    const found = await runCli(['--json', 'status', 'b'], { orchestrator });
    expect(JSON.parse(found.stdout)).toMatchObject({ exists: true, bot_id: 'b', status: 'running', exit_code: 0 });
    const missing = await runCli(['status', 'nope', '--json'], { orchestrator });
    expect(missing.stdout).toBe('');
    expect(JSON.parse(missing.stderr)).toMatchObject({
      error: {
        code: 'BOT_NOT_FOUND',
        hint: 'List your bots with: avtomatika-bot list',
        example: 'avtomatika-bot list',
      },
    });
  });
});
