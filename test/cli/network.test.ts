/** The CLI over a real HTTP/2 connection: what the in-memory transport of its other tests cannot show. */
import { createServer as createHttp1Server } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import { openClient } from '../../cli/calls/client.ts';
import { Interrupted } from '../../cli/failures/errors.ts';
import { goodToken, logLines, refusal } from '../../cli/testing/fake-orchestrator.ts';
import { type RunOptions, runCli } from '../../cli/testing/run-cli.ts';
import { tempFolder } from '../../cli/testing/temp-folder.ts';
import { startTestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { listen, startFakeServer } from './fake-server.ts';

const runReal = (words: readonly string[], url: string, options: RunOptions = {}) =>
  runCli(['--url', url, ...words], { openClient, clock: systemClock, ...options });

const startedResult = { status: 'started', container_name: 'bot_dev_b_abc' };

describe('over HTTP/2', () => {
  it('a bot of several megabytes is uploaded whole and started', async () => {
    const { orchestrator, url } = await startFakeServer();
    orchestrator.result = startedResult;
    const cwd = await tempFolder({ 'bot.py': 'print(1)', 'model.bin': Buffer.alloc(5_000_000, 7) });
    const told = await runReal(['start', 'b', '--simple', '.'], url, { cwd });
    expect(told).toMatchObject({
      exitCode: 0,
      stderr: 'Runs bot.py; --entrypoint or --command runs something else\nUploading 2 files (5.0 MB)\n',
    });
    expect([...orchestrator.artifacts.values()][0]?.byteLength).toBeGreaterThan(5_000_000);
  });

  it('an upload that is refused at once shows the refusal, not that the connection broke', async () => {
    const { orchestrator, url } = await startFakeServer();
    orchestrator.failNext('uploadArtifact', refusal('STORAGE_FULL', 'The disk is full.'));
    const cwd = await tempFolder({ 'bot.py': '', 'model.bin': Buffer.alloc(20_000_000, 7) });
    const told = await runReal(['start', 'b', '--simple', '.'], url, { cwd });
    expect(told.stderr).toMatch(/\nUploading .*\nError STORAGE_FULL: The disk is full\.\n/);
    expect(told.exitCode).toBe(1);
  });

  it('waiting for a job continues when the connection is cut', async () => {
    const { orchestrator, url, cut } = await startFakeServer();
    orchestrator.result = startedResult;
    orchestrator.watchScripts.push([{ job: { reason: 'building' } }, 'silence']);
    const cwd = await tempFolder({ 'bot.py': '' });
    const onOutput = (text: string) => {
      if (text.includes('building')) cut();
    };
    const told = await runReal(['start', 'b', '--simple', 'bot.py'], url, { cwd, onOutput });
    expect(told).toMatchObject({ exitCode: 0 });
    expect(told.stderr).toContain('building\nConnection lost; reconnecting\n');
  });

  it('following a log continues after the last line when the connection is cut, and ends on Ctrl-C', async () => {
    const { orchestrator, url, cut } = await startFakeServer();
    orchestrator.addBot({ botId: 'b' });
    orchestrator.logScripts.push(
      [{ lines: logLines(['one', 'two']) }, 'silence'],
      [{ lines: logLines(['three'], LogStream.STDOUT, 3) }, 'silence'],
    );
    const ending = new AbortController();
    const onOutput = (text: string) => {
      if (text.includes('two')) cut();
      if (text.includes('three')) ending.abort(new Interrupted());
    };
    const told = await runReal(['logs', 'b', '-f'], url, { signal: ending.signal, onOutput });
    expect(told).toEqual({
      exitCode: 130,
      stdout: 'one\ntwo\nthree\n',
      stderr: 'Connection lost; reconnecting\n',
    });
    expect(orchestrator.logRequests[1]?.afterCursor).toBe('c2');
  });

  it('a wrong token ends with 5', async () => {
    const { url } = await startFakeServer();
    const told = await runReal(['list'], url, { env: { AVTOMATIKA_TOKEN: 'wrong' } });
    expect(told).toMatchObject({ exitCode: 5, stdout: '' });
  });
});

describe('an address without an orchestrator', () => {
  it('where nobody listens ends with 4 and names the cure', async () => {
    const server = createTcpServer();
    const url = await listenTcp(server);
    await new Promise((resolve) => server.close(resolve));
    expect(await runReal(['list'], url)).toEqual({
      exitCode: 4,
      stdout: '',
      stderr:
        `Error: The orchestrator at ${url} cannot be reached (ECONNREFUSED). ` +
        'Start it with "npm start", or set AVTOMATIKA_URL or --url to its address.\n',
    });
  });

  it.each([
    [
      'https',
      () => createHttp1Server((_, response) => response.end('hello')),
      'it does not speak TLS. Set AVTOMATIKA_URL to http://',
    ],
    ['http', undefined, /the name host\.invalid (?:is not known|cannot be looked up: no name server answers)\. Check /],
  ] as const)('over %s is reported in one true sentence', async (protocol, create, sentence) => {
    const url =
      create === undefined ? 'http://host.invalid:8000' : (await listenTcp(create())).replace('http:', `${protocol}:`);
    const told = await runReal(['list'], url);
    expect(told).toMatchObject({ exitCode: 4, stdout: '' });
    expect(told.stderr).toMatch(sentence);
    expect(told.stderr).toContain(`Error: The orchestrator at ${url} cannot be reached: `);
  });

  it.each<[string, () => Server]>([
    ['a web server that speaks only HTTP/1.1', () => createHttp1Server((_, response) => response.end('hello'))],
    ['a server that hangs up', () => createTcpServer((socket) => socket.destroy())],
    ['a server that talks nonsense', () => createTcpServer((socket) => socket.end('SSH-2.0-nonsense\r\n'))],
  ])('but %s ends with 4 and one line', async (_, create) => {
    const url = await listenTcp(create());
    const told = await runReal(['list'], url);
    expect(told).toMatchObject({ exitCode: 4, stdout: '' });
    expect(told.stderr).toMatch(new RegExp(`^Error: [^\\n]*${url}[^\\n]*\\n$`));
  });

  it.each([
    ['/api', ['list']],
    ['/v1/', ['start', 'b', '--image', 'x:1']],
    ['/jobs', ['logs', 'b', '-f']],
    ['/botrunner.v1.BotService', ['events']],
    ['/workers/x', ['worker', 'list']],
  ])('says of an AVTOMATIKA_URL with the path %s that an orchestrator has none', async (path, words) => {
    await using orchestrator = await startTestOrchestrator();
    const told = await runReal(words, `${orchestrator.url}${path}`);
    expect(told).toMatchObject({ exitCode: 4, stdout: '' });
    expect(told.stderr).toContain('did not respond like a Bot Runner orchestrator');
    expect(told.stderr).not.toContain('()');
    expect(told.stderr).toContain(`An orchestrator has no path of its own: try ${orchestrator.url}.`);
  });

  it('but another HTTP/2 server ends with 4 and one line', async () => {
    const { url } = await listen(
      createHttp2Server((_, response) => {
        response.statusCode = 404;
        response.end('not here');
      }),
    );
    const told = await runReal(['list'], url);
    expect(told).toMatchObject({ exitCode: 4, stdout: '' });
    expect(told.stderr).toMatch(/^Error: [^\n]* did not respond like a Bot Runner orchestrator [^\n]*\n$/);
  });

  it('hostile 98: that redirects is not followed, so that the token goes nowhere else', async () => {
    const seen: string[] = [];
    const target = await listen(
      createHttp2Server((request, response) => {
        seen.push(String(request.headers.authorization));
        response.end();
      }),
    );
    const { url } = await listen(
      createHttp2Server((request, response) => {
        expect(request.headers.authorization).toBe(`Bearer ${goodToken}`);
        response.statusCode = 307;
        response.setHeader('location', `${target.url}${request.url}`);
        response.end();
      }),
    );
    expect(await runReal(['list'], url)).toMatchObject({ exitCode: 4, stdout: '' });
    expect(seen).toEqual([]);
  });
});

async function listenTcp(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // a TCP server has no other kind
}
