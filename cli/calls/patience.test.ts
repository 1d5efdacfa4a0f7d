import { expect, it } from 'vitest';
import { FakeOrchestrator, refusal } from '../testing/fake-orchestrator.ts';
import { runCli } from '../testing/run-cli.ts';
import { tempFolder } from '../testing/temp-folder.ts';

const tooMuch = (seconds: number) => refusal('RATE_LIMITED', 'too much', { details: { retry_after: seconds } });
const start = async (orchestrator: FakeOrchestrator, ...options: string[]) => {
  const cwd = await tempFolder({ 'bot.py': 'print(1)' });
  return runCli(['start', 'b', '--simple', 'bot.py', ...options], { orchestrator, cwd });
};

it('makes any call again that was too much at once, when the orchestrator says, and says so with -v', async () => {
  for (const call of ['checkDeploy', 'uploadArtifact', 'startBot'] as const) {
    const orchestrator = new FakeOrchestrator();
    orchestrator.failNext(call, tooMuch(3));
    orchestrator.failNext(call, tooMuch(4));
    const told = await start(orchestrator, '-v');
    expect(told.exitCode, told.stderr).toBe(0);
    expect(told.stderr).toMatch(/trying again in 3 s\.\n(.*\n)?.*trying again in 4 s\./);
    expect(orchestrator.calls.filter((each) => each === call)).toHaveLength(3);
    expect(orchestrator.starts).toHaveLength(1);
  }
});

it('is quiet about it without -v', async () => {
  const orchestrator = new FakeOrchestrator();
  orchestrator.failNext('startBot', tooMuch(1));
  expect((await start(orchestrator)).stderr).not.toContain('again');
});

it('waits for a minute at most', async () => {
  const orchestrator = new FakeOrchestrator();
  for (let n = 0; n < 9; n++) orchestrator.failNext('checkDeploy', tooMuch(25));
  const told = await start(orchestrator);
  expect(told.stderr).toContain('RATE_LIMITED');
  expect(orchestrator.calls.filter((call) => call === 'checkDeploy')).toHaveLength(3);
});
