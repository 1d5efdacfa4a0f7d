import { describe, expect, it } from 'vitest';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import { Interrupted } from '../failures/errors.ts';
import { connectionLost, FakeOrchestrator, logLines, refusal, type Step } from '../testing/fake-orchestrator.ts';
import { runCli } from '../testing/run-cli.ts';

function withLog(...scripts: Step[][]): FakeOrchestrator {
  const orchestrator = new FakeOrchestrator();
  orchestrator.addBot({ botId: 'b' });
  orchestrator.logScripts.push(...scripts);
  return orchestrator;
}

const mixed: Step[] = [
  { lines: logLines(['Step 1/4'], LogStream.BUILD) },
  { lines: logLines(['hello \u001b[31mred\u001b[0m', 'ERROR: no'], LogStream.STDOUT, 2) },
];

describe('logs', () => {
  it('asks for 100 lines and gives a pipe what the bot wrote, without escape sequences', async () => {
    const orchestrator = withLog(mixed);
    expect(await runCli(['logs', 'b'], { orchestrator })).toEqual({
      exitCode: 0,
      stdout: '[build] Step 1/4\nhello red\nERROR: no\n',
      stderr: '',
    });
    expect(orchestrator.logRequests).toMatchObject([{ botId: 'b', lines: 100, follow: false, afterCursor: '' }]);
  });

  it('is safe, marked and coloured on a terminal, with the state of the bot on stderr', async () => {
    const { stdout, stderr } = await runCli(['logs', 'b'], { orchestrator: withLog(mixed), terminal: true });
    expect(stdout).toBe('\u001b[2m[build] \u001b[22mStep 1/4\nhello red\n\u001b[31mERROR: no\u001b[39m\n');
    expect(stderr).toBe('\u001b[2mb: 🟢 running\u001b[22m\n');
  });

  it('shows every character of the bot with --raw, which JSON does not go with', async () => {
    const { stdout } = await runCli(['logs', 'b', '--raw'], { orchestrator: withLog(mixed), terminal: true });
    expect(stdout).toBe('[build] Step 1/4\nhello \u001b[31mred\u001b[0m\nERROR: no\n');
    const both = await runCli(['logs', 'b', '--raw', '--json'], { orchestrator: withLog(mixed) });
    expect(both).toMatchObject({ exitCode: 2, stdout: '' });
    expect(both.stderr).toContain('"CONFLICTING_FIELDS"');
  });

  it('prints one JSON object per line', async () => {
    const { stdout } = await runCli(['logs', 'b', '--json'], { orchestrator: withLog(mixed), terminal: true });
    const entries = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(entries.map(({ stream, text }) => [stream, text])).toEqual([
      ['build', 'Step 1/4'],
      ['stdout', 'hello \u001b[31mred\u001b[0m'],
      ['stdout', 'ERROR: no'],
    ]);
  });

  it.each([['-n50'], ['-n', '50'], ['--lines=50'], ['-n=50'], ['--tail', '50']])(
    'takes the number of lines as %j %j',
    async (...words) => {
      const orchestrator = withLog([]);
      expect((await runCli(['logs', 'b', ...words], { orchestrator })).exitCode).toBe(0);
      expect(orchestrator.logRequests[0]?.lines).toBe(50);
    },
  );

  it('follows new lines only with -n 0, and continues from the same moment when the stream breaks before one came', async () => {
    const orchestrator = withLog([{ error: connectionLost() }]);
    orchestrator.logScripts.push([{ lines: logLines(['new']) }]);
    const told = await runCli(['logs', 'b', '-n', '0', '-f'], { orchestrator });
    expect(told).toMatchObject({ exitCode: 0, stdout: 'new\n' });
    const [first, second] = orchestrator.logRequests;
    expect(first).toMatchObject({ lines: 0, follow: true, sinceAgoMs: 0n });
    expect(Number(second?.sinceAgoMs)).toBeGreaterThan(0);
  });

  it('prints nothing with -n 0 alone, but says that there is no such bot', async () => {
    const orchestrator = withLog([{ lines: logLines(['old']) }]);
    expect(await runCli(['logs', 'b', '-n0'], { orchestrator })).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    expect(await runCli(['logs', 'nope', '-n0'], { orchestrator })).toMatchObject({ exitCode: 1, stdout: '' });
  });

  it('asks for every line there is with -n all', async () => {
    const orchestrator = withLog([{ lines: logLines(['old']) }]);
    await runCli(['logs', 'b', '--tail', 'all'], { orchestrator });
    expect(orchestrator.logRequests[0]).toMatchObject({ lines: 0, since: { seconds: 0n } });
  });

  it.each(['-1', '10001', 'many', '1.5', '', '1e3'])('refuses %j lines before it connects', async (lines) => {
    const orchestrator = withLog([]);
    const { exitCode, stderr } = await runCli(['logs', 'b', `-n=${lines}`], { orchestrator });
    expect(exitCode).toBe(2);
    expect(stderr).toBe(
      'Error INVALID_LINES: -n takes a number from 1 to 10000, all, or 0 with -f. For example: avtomatika-bot logs b -n 50\n',
    );
    expect(orchestrator.calls).toEqual([]);
  });

  it('hands on what to leave out, and begins each line with its time', async () => {
    const orchestrator = withLog([{ lines: logLines(['ERROR: no']) }]);
    const words = ['--since', '10m', '--until', '2026-11-22T15:00:00.5Z', '--grep', 'ERROR', '--build', '-t'];
    const { exitCode, stdout } = await runCli(['logs', 'b', ...words], { orchestrator });
    expect([exitCode, stdout]).toEqual([0, '2026-11-22T15:00:00.000000000Z ERROR: no\n']);
    const [request] = orchestrator.logRequests;
    expect(request).toMatchObject({ lines: 0, grep: 'ERROR', buildOnly: true, afterCursor: '' });
    expect(request?.until).toMatchObject({ seconds: 1_795_359_600n, nanos: 500_000_000 });
    expect(request?.since).toBeDefined();
    // How long ago it is does not depend on the clock of the caller.
    expect([request?.sinceAgoMs, request?.untilAgoMs]).toEqual([600_000n, undefined]);
  });

  it('continues after a cursor', async () => {
    const orchestrator = withLog([]);
    expect((await runCli(['logs', 'b', '--cursor', 'c7', '-f'], { orchestrator })).exitCode).toBe(0);
    expect(orchestrator.logRequests).toMatchObject([{ afterCursor: 'c7', follow: true }]);
  });

  it.each<[string, string[], string]>([
    ['a time', ['--since', 'yesterday'], 'INVALID_TIME'],
    ['a time', ['--until=2026-11-22'], 'INVALID_TIME'],
    ['an empty text', ['--grep', ''], 'INVALID_GREP'],
    ['a text of two lines', ['--grep', 'a\nb'], 'INVALID_GREP'],
    ['a long text', ['--grep', 'x'.repeat(257)], 'INVALID_GREP'],
    ['a number and a cursor', ['-n', '5', '--cursor', 'c1'], 'CONFLICTING_FIELDS'],
  ])('refuses %s that makes no sense before it connects: %j', async (_what, words, code) => {
    const orchestrator = withLog([]);
    const { exitCode, stderr } = await runCli(['logs', 'b', ...words], { orchestrator });
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(`Error ${code}: `)]);
    expect(orchestrator.calls).toEqual([]);
  });

  it('follows through a restart of the orchestrator without losing or repeating a line, and ends on Ctrl-C', async () => {
    const ending = new AbortController();
    const orchestrator = withLog(
      [{ lines: logLines(['one', 'two']) }, { error: connectionLost() }],
      [{ lines: logLines(['three'], LogStream.STDOUT, 3) }, 'silence'],
    );
    const onOutput = (text: string) => {
      if (text.includes('three')) ending.abort(new Interrupted());
    };
    const told = await runCli(['logs', 'b', '-f'], { orchestrator, signal: ending.signal, onOutput });
    expect(told).toEqual({
      exitCode: 130,
      stdout: 'one\ntwo\nthree\n',
      stderr: 'Connection lost; reconnecting\n',
    });
    expect(orchestrator.logRequests[1]).toMatchObject({ follow: true, afterCursor: 'c2' });
  });

  it('ends with 1 for an unknown bot, and when the worker of the bot is away', async () => {
    expect((await runCli(['logs', 'nope'])).stderr).toContain('Error BOT_NOT_FOUND');
    const away = withLog([{ error: refusal('UNAVAILABLE', 'The worker w1 is not connected.') }]);
    const told = await runCli(['logs', 'b'], { orchestrator: away });
    expect(told).toMatchObject({ exitCode: 1, stdout: '' });
    expect(told.stderr).toBe(
      'Error UNAVAILABLE: The worker w1 is not connected.\n  Hint: Try again in a few seconds.\n  Example: avtomatika-bot list\n',
    );
  });
});
