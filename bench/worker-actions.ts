/**
 * What the worker adds to the engine's own work: start, restart and update of a bot of simple mode, beside the engine's bare
 * calls for a container of the same options, in turns:
 *
 *     node bench/worker-actions.ts [ROUNDS] [--trace]
 *
 * Each figure is the time from the request (`POST /jobs`, or the first of the engine's calls) to the engine's event that the container has
 * started. An update has other code, the same requirements, and a version that runs and ends at once on SIGTERM. Each version
 * has stayed up for some seconds before it is stopped, as those of users do. `--trace` lists the calls that the engine got for the last of each. On a private Docker engine, as in the tests; everything on one machine,
 * so take the ratios, not the numbers.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { createConnection, createServer } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadBaseImages } from '../test/kit/base-images/base-images.ts';
import { eventually } from '../test/kit/eventually.ts';
import type { JsonBody } from '../test/kit/orchestrator-for-tests.ts';
import { startTestPlatform } from '../test/kit/platform-for-tests.ts';
import { startPrivateEngine } from '../test/kit/private-engine/private-engine.ts';
import { watchStarts } from './container-starts.ts';
import { median } from './quantile.ts';

const rounds = Number(process.argv.slice(2).find((word) => !word.startsWith('-')) ?? 20);
const isTraced = process.argv.includes('--trace');
const headers = { authorization: 'Bearer test-client-token', 'content-type': 'application/json' };

const code = (version: number) => `
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print('ready ${version}', flush=True)
while True: signal.pause()
`;

interface Call {
  readonly line: string;
  readonly atMs: number;
  tookMs: number;
}

/** Passes every connection on to the engine, and notes the first line of each: the worker has one for each call. */
async function traceCalls(socketPath: string, path: string, calls: Call[]): Promise<() => void> {
  const server = createServer((client) => {
    const engineSide = createConnection(socketPath);
    client.once('data', (bytes) => {
      const [line = ''] = bytes.toString('latin1').split(' HTTP/', 1);
      const call = { line, atMs: Date.now(), tookMs: Number.NaN };
      calls.push(call);
      engineSide.once('data', () => {
        call.tookMs = Date.now() - call.atMs;
      });
    });
    client.pipe(engineSide).pipe(client);
    client.on('error', () => engineSide.destroy());
    engineSide.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return () => server.close();
}

function engineCall(socketPath: string, method: string, path: string, body?: unknown): Promise<JsonBody> {
  return new Promise((resolve, reject) => {
    const sent = http.request(
      { socketPath, method, path, headers: { 'content-type': 'application/json' } },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => {
          if ((response.statusCode ?? 500) >= 400) reject(new Error(`${method} ${path}: ${text}`));
          else resolve(text === '' ? {} : JSON.parse(text));
        });
      },
    );
    sent.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const engine = await startPrivateEngine();
const dir = mkdtempSync(join(tmpdir(), 'bench-'));
const calls: Call[] = [];
const proxy = join(dir, 'engine.sock');
const closeProxy = isTraced ? await traceCalls(engine.socketPath, proxy, calls) : () => {};
try {
  await loadBaseImages(engine.dockerHost, engine.packages);
  await using platform = await startTestPlatform({
    RUNTIME: 'docker',
    DOCKER_HOST: isTraced ? `unix://${proxy}` : engine.dockerHost,
    LOG_LEVEL: 'warn',
  });
  const watch = watchStarts(engine.socketPath);
  const raw = (method: string, path: string, body?: unknown) => engineCall(engine.socketPath, method, path, body);

  /** From `work` to the start of the container that follows it, ms. */
  const untilStarted = async (name: string, work: () => Promise<unknown>): Promise<number> => {
    const before = watch.starts.get(name)?.length ?? 0;
    const beganMs = Date.now();
    await work();
    const at = await eventually(
      `${name} has started`,
      () => watch.starts.get(name)?.[before],
      (seen) => seen !== undefined,
      { timeoutMs: 60_000 },
    );
    return (at ?? Number.NaN) - beganMs;
  };
  const submit = async (data: JsonBody): Promise<string> => {
    const body = JSON.stringify({ blueprint: 'bot_runner', data: { bot_id: 'bench', ...data } });
    const answer = await fetch(`${platform.url}/jobs`, { method: 'POST', headers, body });
    const { job_id: id } = (await answer.json()) as { job_id?: string };
    if (id === undefined) throw new Error(`refused: ${answer.status}`);
    return id;
  };
  const ended = async (id: string) => {
    const job = await eventually(
      `job ${id} has ended`,
      async () => (await (await fetch(`${platform.url}/jobs/${id}`, { headers })).json()) as JsonBody,
      ({ status }) => ['completed', 'failed'].includes(String(status)),
      { timeoutMs: 120_000 },
    );
    if (job['status'] !== 'completed') throw new Error(JSON.stringify(job));
  };
  const job = async (data: JsonBody) => ended(await submit(data));
  const timed = async (name: string, what: string, data: JsonBody): Promise<number> => {
    let id = '';
    const fromMs = Date.now();
    const tookMs = await untilStarted(name, async () => {
      id = await submit(data);
    });
    traced.set(
      what,
      calls
        .filter(({ atMs }) => atMs >= fromMs && atMs <= fromMs + tookMs)
        .map((call) => ({ ...call, atMs: call.atMs - fromMs })),
    );
    await ended(id);
    return tookMs;
  };
  const traced = new Map<string, readonly Call[]>();

  const simple = { deployment_mode: 'simple', entrypoint: 'bot.py', requirements: [] };
  let version = 0;
  const withCode = () => {
    version += 1;
    return { ...simple, files: { 'bot.py': code(version) } };
  };
  await job({ action: 'start', ...withCode() });
  const { container_id: id } = await platform.status('bench');
  const made = (await raw('GET', `/containers/${id}/json`)) as {
    Name: string;
    Config: JsonBody;
    HostConfig: { Mounts: JsonBody[] };
  };
  const bot = made.Name.slice(1);
  const probe = 'bench_probe';
  const probeBody = {
    ...made.Config,
    Image: made.Config['Image'],
    Labels: {},
    Cmd: ['python', '-u', '-c', code(0)],
    HostConfig: {
      ...made.HostConfig,
      Mounts: made.HostConfig.Mounts.map((mount) => ({ ...mount, Source: 'bench_probe' })),
    },
  };
  const createAndStart = async () => {
    const image = ((await raw('GET', `/containers/${bot}/json`)) as { Config: JsonBody }).Config['Image'];
    return untilStarted(probe, async () => {
      const { Id } = await raw('POST', `/containers/create?name=${probe}`, { ...probeBody, Image: image });
      await raw('POST', `/containers/${Id}/start`);
    });
  };
  /** Once a version has stayed up, Docker 20.10 gets an image with its code: not beside what is measured. */
  const isSettled = async () => {
    const { Config } = (await raw('GET', `/containers/${bot}/json`)) as { Config: JsonBody };
    const tags = JSON.stringify(await raw('GET', '/images/json'));
    return tags.includes(`${String(Config['Image']).replace(/-code$/, '')}-code"`);
  };
  const { ApiVersion } = await raw('GET', '/version');
  const settled = async () => {
    if (ApiVersion === '1.41')
      await eventually('the version has settled', isSettled, (done) => done, { timeoutMs: 60_000, everyMs: 200 });
  };
  const printed = async () => new Promise((resolve) => setTimeout(resolve, 1500));

  const times: Record<string, number[]> = {};
  const note = (what: string, tookMs: number) => {
    times[what] = [...(times[what] ?? []), tookMs];
  };
  for (let round = 0; round <= rounds; round += 1) {
    const results: [string, number][] = [];
    await settled();
    results.push(['engine: create + start', await createAndStart()]);
    // Python needs a moment before it can take a signal.
    await printed();
    results.push([
      'engine: restart',
      await untilStarted(probe, () => raw('POST', `/containers/${probe}/restart?t=10`)),
    ]);
    await raw('DELETE', `/containers/${probe}?force=true`);
    await job({ action: 'stop' });
    results.push(['start', await timed(bot, 'start', { action: 'restart' })]);
    results.push(['restart', await timed(bot, 'restart', { action: 'restart' })]);
    results.push(['update of code', await timed(bot, 'update', { action: 'update', ...withCode() })]);
    // The first round warms up.
    if (round > 0) for (const [what, tookMs] of results) note(what, tookMs);
  }
  await job({ action: 'delete', purge: true });
  watch.close();

  console.log(
    `${rounds} rounds, Node ${process.version}, ${new Date().toISOString()}, load ${loadavg()
      .map((one) => one.toFixed(1))
      .join(' ')}`,
  );
  const yardstick: Readonly<Record<string, string>> = {
    start: 'engine: create + start',
    restart: 'engine: restart',
    'update of code': 'engine: create + start',
  };
  for (const [what, all] of Object.entries(times)) {
    const against = yardstick[what];
    const theirs = against === undefined ? [] : (times[against] ?? []);
    // Round by round: whatever else the machine does affects both.
    const ratios = all.map((tookMs, index) => tookMs / (theirs[index] ?? Number.NaN));
    const ratio =
      against === undefined
        ? ''
        : ` = ${median(ratios).toFixed(2)}x ${against} (${(median(all) / median(theirs)).toFixed(2)}x of medians)`;
    const [least = 0] = all.toSorted((a, b) => a - b);
    console.log(`${what.padEnd(24)} p50 ${median(all).toFixed(0)} ms, least ${least.toFixed(0)} ms${ratio}`);
  }
  for (const [what, list] of traced) {
    if (list.length === 0) continue;
    console.log(`\ncalls of the worker until the container has started, ${what}:`);
    for (const { line, atMs, tookMs } of list)
      console.log(
        `  at ${String(atMs).padStart(5)} ms, ${String(tookMs).padStart(4)} ms  ${decodeURIComponent(line).slice(0, 150)}`,
      );
  }
} finally {
  closeProxy();
  await engine.stop();
  rmSync(dir, { recursive: true });
}
