import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Interrupted } from '../failures/errors.ts';
import { FakeOrchestrator } from '../testing/fake-orchestrator.ts';
import { runCli } from '../testing/run-cli.ts';

function oneBot(): FakeOrchestrator {
  const orchestrator = new FakeOrchestrator();
  orchestrator.addBot({ botId: 'b' });
  orchestrator.result = { status: 'deleted', bot_id: 'b', container_name: 'bot_dev_b_abc' };
  return orchestrator;
}

describe('delete', () => {
  it.each<[string[], boolean, string]>([
    [['-y'], false, 'b is deleted.\n'],
    [['--purge', '--yes'], true, 'b is deleted with its data.\n'],
  ])('with %j does not ask', async (words, purge, stdout) => {
    const orchestrator = oneBot();
    expect(await runCli(['delete', 'b', ...words], { orchestrator })).toEqual({ exitCode: 0, stdout, stderr: '' });
    expect(orchestrator.deletes).toEqual([{ botId: 'b', purge }]);
  });

  it.each(['y\n', 'Yes\n', ' y \r\n'])('asks on a terminal, and does it after %j', async (stdin) => {
    const orchestrator = oneBot();
    const told = await runCli(['delete', 'b'], { orchestrator, terminal: true, stdin });
    expect(told).toMatchObject({ exitCode: 0, stdout: '⚪ b is deleted.\n' });
    expect(told.stderr).toMatch(/^Stop b and remove its container, images and log\? \[y\/N\] /);
    expect(orchestrator.deletes).toEqual([{ botId: 'b', purge: false }]);
  });

  it.each(['\n', 'n\n', 'yes please\n', ''])('does nothing after %j', async (stdin) => {
    const orchestrator = oneBot();
    expect(await runCli(['delete', 'b', '--purge'], { orchestrator, terminal: true, stdin })).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'Stop b and remove its container, images, log and data? [y/N] Nothing was deleted.\n',
    });
    expect(orchestrator.calls).toEqual([]);
  });

  it('does nothing after Ctrl-C', async () => {
    const orchestrator = oneBot();
    const ending = new AbortController();
    const told = await runCli(['delete', 'b'], {
      orchestrator,
      terminal: true,
      stdin: new PassThrough(),
      signal: ending.signal,
      onOutput: () => ending.abort(new Interrupted()),
    });
    expect(told.exitCode).toBe(130);
    expect(orchestrator.calls).toEqual([]);
  });

  it.each<[string[], boolean]>([
    [[], false],
    [['--json'], true],
  ])('needs -y where it cannot ask: %j', async (words, terminal) => {
    const orchestrator = oneBot();
    const told = await runCli(['delete', 'b', ...words], { orchestrator, terminal, stdin: 'y\n' });
    expect(told).toMatchObject({ exitCode: 2, stdout: '' });
    expect(told.stderr).toContain('delete asks for confirmation, and there is no terminal to ask on.');
    expect(told.stderr).toContain('Add -y to delete without confirmation.');
    expect(orchestrator.calls).toEqual([]);
  });

  it('of an unknown bot is refused', async () => {
    expect((await runCli(['delete', 'nope', '-y'])).stderr).toMatch(/^Error BOT_NOT_FOUND: /);
  });

  it('answers in JSON', async () => {
    const told = await runCli(['delete', 'b', '-y', '--json'], { orchestrator: oneBot() });
    expect(JSON.parse(told.stdout)).toEqual({
      job_id: '01JD00000000000000000000J1',
      bot_id: 'b',
      status: 'deleted',
      container_name: 'bot_dev_b_abc',
    });
  });
});
