import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { expect, it } from 'vitest';
import { BotConfigSchema } from '#gen/botrunner/v1/bot_pb.js';
import { FakeOrchestrator } from '../testing/fake-orchestrator.ts';
import { runCli } from '../testing/run-cli.ts';
import { tempFolder } from '../testing/temp-folder.ts';

function oneBot(result: Record<string, string> = { status: 'configured', bot_id: 'b', container_name: 'c' }) {
  const orchestrator = new FakeOrchestrator();
  orchestrator.addBot({ botId: 'b' });
  orchestrator.result = result;
  return orchestrator;
}
const asked = async (words: readonly string[], more: object = {}) => {
  const orchestrator = oneBot();
  const told = await runCli(words, { orchestrator, ...more });
  return { ...told, requests: orchestrator.configures };
};

it('env set sends all its pairs in one request', async () => {
  const { exitCode, stdout, requests } = await asked(['env', 'set', 'b', 'A=1', 'B=x=y', 'C=']);
  expect(requests).toMatchObject([{ botId: 'b', env: { A: '1', B: 'x=y', C: '' }, replaceEnv: false }]);
  expect([exitCode, stdout.split('\n')[0]]).toEqual([0, 'b was started again with its new settings and is running.']);
});

it('env set reads one value from the standard input, without its last line break', async () => {
  const { requests } = await asked(['env', 'set', 'b', 'A=-', 'B=2'], { stdin: 'se\ncret\n' });
  expect(requests).toMatchObject([{ env: { A: 'se\ncret', B: '2' } }]);
});

it.each<[string, readonly string[], object, number, string]>([
  ['two from one input', ['A=-', 'B=-'], { stdin: 'x' }, 2, 'A=- and B=- cannot all be read from the standard input.'],
  ['typed secrets', ['A=-'], { terminal: true }, 2, 'Pipe the value in; typed here, it would be visible.'],
  ['no =', ['A'], {}, 2, 'Word number 1 has no "=".'],
  ['a bad name', ['A=1', '2canary=x'], {}, 2, 'Word number 2 has an invalid name'],
  ['no value', ['A=-'], { stdin: '\n' }, 1, 'The standard input holds no value for A.'],
  ['__proto__', ['__proto__=canary'], {}, 1, 'A variable cannot be named __proto__.'],
])('env set refuses %s before anything is sent', async (_, words, more, code, message) => {
  const { exitCode, stderr, requests } = await asked(['env', 'set', 'b', ...words], more);
  expect([exitCode, requests]).toEqual([code, []]);
  expect(stderr).toContain(message);
  expect(stderr).not.toContain('canary');
});

it('env unset names what goes, each once', async () => {
  const { requests } = await asked(['env', 'unset', 'b', 'A', 'B', 'A']);
  expect(requests).toMatchObject([{ botId: 'b', env: {}, reset: { env: ['A', 'B'] } }]);
  const wrong = await asked(['env', 'unset', 'b', 'A=1']);
  expect([wrong.exitCode, wrong.requests.length]).toEqual([2, 0]);
});

it('env import sends a file or the standard input, and with --replace the whole environment', async () => {
  const cwd = await tempFolder({ '.env': '# x\nA=1\nB="2"\n', 'empty.env': '# nothing\n' });
  expect((await asked(['env', 'import', 'b', '.env'], { cwd })).requests).toMatchObject([{ env: { A: '1', B: '2' } }]);
  const piped = await asked(['env', 'import', 'b', '-', '--replace'], { cwd, stdin: 'C=3\n' });
  expect(piped.requests).toMatchObject([{ env: { C: '3' }, replaceEnv: true }]);
  const long = `A=1\n${'# a long comment\n'.repeat(5_000)}`;
  expect((await asked(['env', 'import', 'b', '-'], { cwd, stdin: long })).requests).toMatchObject([
    { env: { A: '1' } },
  ]);
  for (const more of [[], ['--replace']]) {
    const empty = await asked(['env', 'import', 'b', 'empty.env', ...more], { cwd });
    expect([empty.exitCode, empty.requests]).toEqual([1, []]);
    expect(empty.stderr).toContain('There is no variable in empty.env.');
  }
});

it('env list shows names, times and jobs; what is unknown is called so', async () => {
  const orchestrator = oneBot();
  orchestrator.config = create(BotConfigSchema, {
    env: [{ name: 'A', setAt: timestampFromMs(Date.UTC(2026, 0, 2)), jobId: '01J' }, { name: 'OLD' }],
  });
  expect(await runCli(['env', 'list', 'b'], { orchestrator })).toEqual({
    exitCode: 0,
    stdout:
      'NAME  SET                   BY JOB\nA     2026-01-02T00:00:00Z  01J\nOLD   unknown               unknown\n',
    stderr: '',
  });
  const json = await runCli(['env', 'ls', 'b', '--json'], { orchestrator });
  expect(JSON.parse(json.stdout)).toEqual({
    bot_id: 'b',
    env: [
      { name: 'A', set_at: '2026-01-02T00:00:00.000Z', job_id: '01J' },
      { name: 'OLD', set_at: null, job_id: null },
    ],
  });
  orchestrator.config = create(BotConfigSchema);
  expect((await runCli(['env', 'list', 'b'], { orchestrator })).stdout).toBe('b has no environment variables.\n');
});

it('limits set sends what is named, and what goes back to its default', async () => {
  const words = [
    '--memory',
    '512m',
    '--pids',
    '300',
    '--stop-grace',
    '1m30s',
    '--stop-signal',
    'int',
    '--cpus',
    'default',
  ];
  const { requests } = await asked(['limits', 'set', 'b', ...words]);
  expect(requests).toMatchObject([
    {
      limits: { memoryBytes: 536_870_912n, cpuMillis: 0, pids: 300, stopGraceMs: 90_000, stopSignal: 'SIGINT' },
      reset: { cpus: true, memory: false, pids: false },
    },
  ]);
});

it.each([
  [[], 'Name at least one limit.'],
  [['--pids', 'many'], '--pids takes a whole number above zero.'],
  [['--stop-grace', 'soon'], '--stop-grace takes a time'],
  [['--stop-signal', '9'], '--stop-signal takes the name of a signal.'],
])('limits set %j is refused before anything is sent', async (words, message) => {
  const { exitCode, stderr, requests } = await asked(['limits', 'set', 'b', ...words]);
  expect([exitCode, requests]).toEqual([2, []]);
  expect(stderr).toContain(message);
});

it('limits show has those that were set, and the defaults', async () => {
  const orchestrator = oneBot();
  orchestrator.config = create(BotConfigSchema, { limits: { memoryBytes: 536_870_912n, stopGraceMs: 30_000 } });
  const { stdout } = await runCli(['limits', 'show', 'b'], { orchestrator });
  expect(stdout).toContain('Stop grace   30 s');
  expect(stdout).toContain('Processes    default (128)');
  const json = JSON.parse((await runCli(['limits', 'show', 'b', '--json'], { orchestrator })).stdout);
  expect(json.resource_limits).toMatchObject({ memory_mb: 512, stop_grace_seconds: 30, pids: null, cpu_cores: null });
});

it('says what became of a change that restarts nothing', async () => {
  const said = async (result: Record<string, string>) =>
    (await runCli(['env', 'set', 'b', 'A=1'], { orchestrator: oneBot(result) })).stdout;
  expect(await said({ status: 'unchanged', bot_id: 'b' })).toBe('b has all that already: it was not restarted.\n');
  const reason = 'b is stopped: it was not started, and runs with this after its next restart';
  expect(await said({ status: 'stored', bot_id: 'b', reason })).toBe(
    `${reason}.\n  Restart  avtomatika-bot restart b\n`,
  );
});

it('needs no wait, names an unknown bot, and an orchestrator that is too old', async () => {
  const orchestrator = oneBot();
  const accepted = await runCli(['env', 'set', 'b', 'A=1', '--no-wait', '--json'], { orchestrator });
  expect(JSON.parse(accepted.stdout)).toMatchObject({ bot_id: 'b', status: 'accepted' });
  expect(await runCli(['env', 'set', 'nope', 'A=1'], { orchestrator })).toMatchObject({ exitCode: 1, stdout: '' });
  for (const [call, words] of [
    ['configureBot', ['env', 'set', 'b', 'A=1']],
    ['getBotConfig', ['env', 'list', 'b']],
  ] as const) {
    orchestrator.failNext(call, new ConnectError('no such call', Code.Unimplemented));
    const old = await runCli(words, { orchestrator });
    expect([old.exitCode, old.stdout]).toEqual([1, '']);
    expect(old.stderr).toContain('The orchestrator is too old to change a bot without its source.');
  }
});
