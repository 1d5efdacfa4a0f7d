import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { expect, it } from 'vitest';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { FakeOrchestrator, fakeTimeMs } from '../testing/fake-orchestrator.ts';
import { runCli } from '../testing/run-cli.ts';

function twoBots(): FakeOrchestrator {
  const orchestrator = new FakeOrchestrator();
  const startedAt = timestampFromMs(fakeTimeMs);
  orchestrator.addBot({ botId: 'echo-bot', workerId: 'w1', runtime: 'docker', startedAt, restarts: 2 });
  orchestrator.addBot({ botId: 'new', state: BotState.CRASH_LOOP });
  orchestrator.addBot({ botId: 'old\u001b[2J', state: BotState.STOPPED, workerId: 'w1', runtime: 'process' });
  return orchestrator;
}

it('shows the quota and a table', async () => {
  expect(await runCli(['list'], { orchestrator: twoBots() })).toEqual({
    exitCode: 0,
    stdout: [
      'Bots (3/3)',
      'BOT         STATE       STARTED               WORKER  RUNTIME  RESTARTS',
      'echo-bot    running     2026-11-22T15:00:00Z  w1      docker   2',
      'new         crash_loop  -                     -       -        0',
      'old\\x1b[2J  stopped     -                     w1      process  0',
      '',
    ].join('\n'),
    stderr: '',
  });
});

it('says below the table what is wrong with a bot that runs', async () => {
  const orchestrator = new FakeOrchestrator();
  orchestrator.addBot({ botId: 'hurt', reason: 'damaged: update it\u001b[2J' });
  const { stdout } = await runCli(['list'], { orchestrator });
  expect(stdout.trimEnd().split('\n').at(-1)).toBe('hurt: damaged: update it\\x1b[2J');
});

it('shows markers on a terminal, and colours unless NO_COLOR is set', async () => {
  const env = { AVTOMATIKA_TOKEN: 'test-client-token' };
  const { stdout } = await runCli(['list'], { orchestrator: twoBots(), terminal: true, env });
  expect(stdout).toContain('\u001b[1mBots (3/3)\u001b[22m\n');
  expect(stdout).toContain('🟢 running');
  expect(stdout).toContain('🔴 crash_loop');
  expect(stdout).toContain('⚪ stopped');
  const plain = await runCli(['list'], { orchestrator: twoBots(), terminal: true, env: { ...env, NO_COLOR: '1' } });
  expect(plain.stdout).not.toContain('\u001b');
  expect(plain.stdout).toContain('🟢 running');
});

it('says so when there are none', async () => {
  expect(await runCli(['list'])).toEqual({ exitCode: 0, stdout: 'No bots. Limit: 0/3\n', stderr: '' });
});

it('prints one JSON object with the field names of REST', async () => {
  const { stdout, exitCode } = await runCli(['list', '--json'], { orchestrator: twoBots() });
  expect(exitCode).toBe(0);
  expect(stdout.endsWith('}\n')).toBe(true);
  expect(JSON.parse(stdout)).toMatchObject({
    bots: [
      {
        bot_id: 'echo-bot',
        status: 'running',
        container_id: null,
        container_name: null,
        started_at: '2026-11-22T15:00:00.000Z',
        worker_id: 'w1',
        runtime: 'docker',
        restarts: 2,
        exit_code: null,
      },
      { bot_id: 'new', status: 'crash_loop', worker_id: null },
      { bot_id: 'old\u001b[2J', status: 'stopped' },
    ],
    count: 3,
    max_bots: 3,
  });
});
