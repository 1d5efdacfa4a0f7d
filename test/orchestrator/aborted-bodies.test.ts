/** A client that breaks off in the middle of its body is gone: no bug of the orchestrator, and nothing in its log. */
import { once } from 'node:events';
import http2 from 'node:http2';
import { createConnection } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { type OrchestratorProgram, startOrchestratorProgram } from '../kit/orchestrator-program.ts';

let orchestrator: OrchestratorProgram;
beforeAll(async () => {
  orchestrator = await startOrchestratorProgram({ LOG_LEVEL: 'debug' });
});
afterAll(() => orchestrator[Symbol.asyncDispose]());

const client = 'test-client-token';
const worker = 'test-worker-token';
const routes = [
  ['POST', '/jobs', client, 'application/json'],
  ['POST', '/api/jobs/bot_runner', client, 'application/json'],
  ['POST', '/workers/register', worker, 'application/json'],
  ['POST', '/_worker/tasks/result', worker, 'application/json'],
  ['PATCH', '/_worker/workers/w', worker, 'application/json'],
  ['POST', '/botrunner.v1.BotService/ListBots', client, 'application/json'],
  ['POST', '/botrunner.v1.BotService/StartBot', client, 'application/proto'],
  ['POST', '/botrunner.v1.ArtifactService/UploadArtifact', client, 'application/connect+proto'],
  ['POST', '/botrunner.v1.WorkerService/Join', worker, 'application/grpc'],
] as const;

const unwell = () =>
  orchestrator
    .log()
    .split('\n')
    .filter((line) => /"level":"(?:error|fatal|warn)"|a bug|INTERNAL|at .*\.ts:\d/.test(line));

async function stillServes(): Promise<void> {
  expect((await fetch(`${orchestrator.url}/health`)).status).toBe(200);
  await eventually(
    'what was broken off is dealt with',
    () => orchestrator.post({ action: 'list' }),
    ({ status }) => status === 202,
  );
  expect(unwell()).toEqual([]);
}

it.each(routes)('of %s %s over HTTP/1.1, by the connection', async (method, path, token, type) => {
  const { port } = new URL(orchestrator.url);
  for (const [framing, part] of [
    ['Content-Length: 5000', '{"blueprint":'],
    ['Content-Length: 5000', ''],
    ['Transfer-Encoding: chunked', 'd\r\n{"blueprint":\r\n'],
    ['Transfer-Encoding: chunked', '5000\r\n{"a'],
  ] as const) {
    for (const end of ['destroy', 'resetAndDestroy', 'end'] as const) {
      const socket = createConnection(Number(port), '127.0.0.1');
      socket.on('error', () => undefined); // it may be reset by the other side
      await once(socket, 'connect');
      const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\nContent-Type: ${type}\r\n${framing}\r\n\r\n`;
      await new Promise((resolve) => socket.write(head + part, resolve));
      socket.resume();
      socket[end]();
      await once(socket, 'close');
    }
  }
  await stillServes();
});

it.each(routes)('of %s %s over HTTP/2, by a reset', async (method, path, token, type) => {
  const session = http2.connect(orchestrator.url);
  for (const code of [http2.constants.NGHTTP2_CANCEL, http2.constants.NGHTTP2_INTERNAL_ERROR]) {
    const headers = { ':method': method, ':path': path, authorization: `Bearer ${token}`, 'content-type': type };
    const stream = session.request(headers);
    stream.on('error', () => undefined); // it is reset
    await new Promise((resolve) => stream.write('{"bl', resolve));
    const closed = once(stream, 'close').catch(() => undefined);
    stream.close(code);
    await closed;
  }
  session.destroy();
  await stillServes();
});
