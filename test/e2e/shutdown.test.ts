/** SIGTERM ends both programs within 10 s, whatever those they talk to do. Each on real programs, all at the same time. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { startProgram, untilUp } from '../../scripts/platform/children.ts';
import { freePort } from '../../scripts/platform/free-port.ts';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { eventually } from '../kit/eventually.ts';

// The bound is 10 s; the rest is for a machine that has other things to do.
const boundMs = 11_500;
const dir = mkdtempSync(join(tmpdir(), 'shutdown-'));
const cleanUp: (() => unknown)[] = [];
afterAll(() => {
  for (const each of cleanUp) each();
  rmSync(dir, { recursive: true, force: true });
});

/** A server that accepts and counts connections and sends nothing. */
async function silentServer(path?: string) {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket.on('error', () => undefined).resume());
  });
  await new Promise<void>((resolve) =>
    path === undefined ? server.listen(0, '127.0.0.1', resolve) : server.listen(path, resolve),
  );
  cleanUp.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return { port: typeof address === 'object' ? (address as AddressInfo).port : 0, taken: () => sockets.size };
}

/** Sends SIGTERM and says how it ended and after how long. */
async function terminate(child: { kill(signal: 'SIGTERM'): boolean }, ended: Promise<number>) {
  const begun = performance.now();
  child.kill('SIGTERM');
  const code = await ended;
  return { code, ms: performance.now() - begun };
}

async function orchestrator(env: Readonly<Record<string, string>>) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const data = mkdtempSync(join(dir, 'orchestrator-'));
  const program = startProgram('orchestrator', {
    env: { ...process.env, ...env, PORT: String(port), DATA_DIR: data },
    logFile: join(data, 'log'),
  });
  cleanUp.push(() => program.child.kill('SIGKILL'));
  await untilUp(program, AbortSignal.timeout(30_000));
  return { port, url, program };
}

describe.concurrent('SIGTERM', { timeout: 60_000 }, () => {
  it('ends an orchestrator whose NATS server says nothing', async () => {
    const nats = await silentServer();
    const { program } = await orchestrator({ NATS_URL: `nats://127.0.0.1:${nats.port}` });
    await eventually('it has dialled NATS', nats.taken, (taken) => taken > 0, { timeoutMs: 20_000 });
    const { code, ms } = await terminate(program.child, program.ended);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(boundMs);
  });

  it('ends an orchestrator whose clients hold on to it', async () => {
    const { port, url, program } = await orchestrator({});
    const auth = 'Authorization: Bearer test-client-token';
    const taken: Promise<unknown>[] = [];
    // They never close, and most never read: a half request, a body that stops, a stream of events, a long poll.
    for (const text of [
      'GET /hea',
      `POST /jobs HTTP/1.1\r\nHost: localhost\r\n${auth}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
      `GET /events HTTP/1.1\r\nHost: localhost\r\n${auth}\r\n\r\n`,
      'PRI * HTTP/2.0\r\n',
      '',
    ]) {
      const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => undefined);
      cleanUp.push(() => socket.destroy());
      taken.push(
        new Promise<void>((resolve) => socket.once('connect', () => socket.write(text || ' ', () => resolve()))),
      );
    }
    const session = http2.connect(url).on('error', () => undefined);
    cleanUp.push(() => session.destroy());
    for (const path of ['/botrunner.v1.BotService/WatchBots', '/grpc.health.v1.Health/Watch']) {
      const headers = {
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        authorization: auth.slice(15),
      };
      const stream = session.request(headers).on('error', () => undefined);
      stream.end(Buffer.alloc(5));
      taken.push(new Promise<void>((resolve) => stream.once('response', () => resolve())));
    }
    await Promise.all(taken);
    const { code, ms } = await terminate(program.child, program.ended);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(boundMs);
  });

  it('ends a worker whose engine hangs and whose orchestrator says nothing', async () => {
    const engineSocket = join(dir, 'engine.sock');
    const engine = await silentServer(engineSocket);
    const control = await silentServer();
    const data = mkdtempSync(join(dir, 'worker-'));
    const program = startProgram('worker', {
      env: {
        ...process.env,
        DOCKER_HOST: `unix://${engineSocket}`,
        ORCHESTRATOR_URL: `http://127.0.0.1:${control.port}`,
        DATA_DIR: data,
      },
      logFile: join(data, 'log'),
    });
    cleanUp.push(() => program.child.kill('SIGKILL'));
    await eventually('it has asked the engine', engine.taken, (taken) => taken > 0, {
      timeoutMs: 30_000,
    });
    const { ms } = await terminate(program.child, program.ended);
    expect(ms).toBeLessThan(boundMs);
  });

  it.each([
    ['nothing else is open', 'async () => undefined'],
    ['the program does not come to its end', '() => new Promise(() => undefined)'],
  ])('ends a program of which a thread hangs in the system: %s', async (_, stop) => {
    const pipe = join(mkdtempSync(join(dir, 'pipe-')), 'pipe');
    execFileSync('mkfifo', [pipe]);
    // Opening a pipe without a writer hangs like a disk that does not answer.
    const script = `import { open } from 'node:fs';
      import { runProgram } from ${JSON.stringify(checkoutPath('common', 'run-program.ts'))};
      open(${JSON.stringify(pipe)}, 'r', () => undefined);
      await runProgram('thing', async () => (process.stdout.write('up'), { stop: ${stop} }));`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], { stdio: 'pipe' });
    cleanUp.push(() => child.kill('SIGKILL'));
    const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 137)));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const { code, ms } = await terminate(child, ended);
    expect(code).toBe(137);
    expect(ms).toBeLessThan(boundMs);
  });

  it.each(['start', 'stop'])('ends a program whose %s never comes to its end, and says so', async (which) => {
    const never = 'new Promise(() => setInterval(() => undefined, 1000))';
    const start =
      which === 'start'
        ? never
        : `{ setInterval(() => undefined, 1000); process.stdout.write('up'); return { stop: () => ${never} }; }`;
    const script = `import { runProgram } from ${JSON.stringify(checkoutPath('common', 'run-program.ts'))};
      await runProgram('thing', async () => ${which === 'start' ? `(process.stdout.write('up'), await ${start})` : start});`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], { stdio: 'pipe' });
    cleanUp.push(() => child.kill('SIGKILL'));
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 137)));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const { code, ms } = await terminate(child, ended);
    expect([code, said]).toEqual([1, expect.stringMatching(/^thing: (starting|stopping) took more than 10 s/m)]);
    expect(ms).toBeLessThan(boundMs);
  });
});
