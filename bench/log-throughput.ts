/**
 * `avtomatika-bot logs -f` beside `docker logs -f`, on the same container at the same time:
 *
 *     node bench/log-throughput.ts [LINES] [BYTES]
 *
 * First a bot prints a line with the time every 20 ms for ten seconds: how long until it is shown. Then it floods LINES lines of
 * BYTES bytes: how fast each follower has them all, and which it lost or doubled. Memory of the programs before and after.
 * On a private Docker engine, as in the tests; everything on one machine, so take the ratios, not the numbers.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadBaseImages } from '../test/kit/base-images/base-images.ts';
import { eventually } from '../test/kit/eventually.ts';
import { startTestPlatform } from '../test/kit/platform-for-tests.ts';
import { startPrivateEngine } from '../test/kit/private-engine/private-engine.ts';

const lines = Number(process.argv[2] ?? 200_000);
const bytes = Number(process.argv[3] ?? 100);
const pings = 500;
const idleMs = 15_000;

const code = `
import signal, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print('ready', flush=True)
signal.sigwait([signal.SIGUSR1])
for i in range(${pings}):
    print('ping %d' % time.time_ns(), flush=True)
    time.sleep(0.02)
signal.sigwait([signal.SIGUSR1])
pad = '.' * ${bytes}
for i in range(1, ${lines} + 1, 1000):
    sys.stdout.write(''.join(('%d ' % n + pad)[:${bytes} - 1] + '\\n' for n in range(i, min(i + 1000, ${lines} + 1))))
sys.stdout.flush()
while True: time.sleep(60)
`;

interface Follower {
  readonly name: string;
  readonly pingsMs: number[];
  readonly counts: Map<number, number>;
  lastAt: number;
  isAttached: boolean;
  kill(): Promise<void>;
}

/** Reads lines as they come; only their time is taken here, so that the reader is not what is measured. */
function follow(name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv): Follower {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const follower: Follower = {
    name,
    pingsMs: [],
    counts: new Map(),
    lastAt: 0,
    isAttached: false,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
  let rest = '';
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    const now = performance.now();
    const wallNs = (performance.timeOrigin + now) * 1e6;
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      if (part.startsWith('ping ')) follower.pingsMs.push((wallNs - Number(part.slice(5))) / 1e6);
      const n = Number.parseInt(part, 10);
      if (part === 'ready') follower.isAttached = true;
      if (!(n > 0)) continue;
      follower.counts.set(n, (follower.counts.get(n) ?? 0) + 1);
      follower.lastAt = now;
    }
  });
  return follower;
}

function engineCall(socketPath: string, method: string, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = http.request({ socketPath, method, path }, (response) => {
      response.resume().on('end', () => ((response.statusCode ?? 0) < 300 ? resolve() : reject(new Error(path))));
    });
    sent.on('error', reject).end();
  });
}

const memoryMb = (pid: number) => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (field: string) => Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  return { now: of('VmRSS'), most: of('VmHWM') };
};

const quantile = (values: readonly number[], q: number) =>
  (values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))] ?? Number.NaN).toFixed(
    1,
  );

const engine = await startPrivateEngine();
const files = mkdtempSync(join(tmpdir(), 'bench-'));
try {
  await loadBaseImages(engine.dockerHost, engine.packages);
  await using platform = await startTestPlatform({
    RUNTIME: 'docker',
    DOCKER_HOST: engine.dockerHost,
    LOG_LEVEL: 'warn',
  });
  writeFileSync(join(files, 'bot.py'), code);
  const started = await platform.cli(['start', 'bench', '--simple', join(files, 'bot.py')]);
  if (started.code !== 0) throw new Error(started.stderr);
  const { container_id: id } = await platform.status('bench');
  const signal = () => engineCall(engine.socketPath, 'POST', `/containers/${id}/kill?signal=USR1`);
  const ours = follow('avtomatika-bot logs -f', process.execPath, ['cli/main.ts', 'logs', 'bench', '-f', '-n', '100'], {
    ...process.env,
    AVTOMATIKA_URL: platform.url,
    AVTOMATIKA_TOKEN: 'test-client-token',
  });
  const docker = engine.packages.find('/usr/bin/docker') ?? 'docker';
  const theirs = follow('docker logs -f', docker, ['-H', engine.dockerHost, 'logs', '-f', String(id)], {
    PATH: process.env['PATH'],
  });
  await eventually(
    'both have attached',
    () => [ours.isAttached, theirs.isAttached],
    (seen) => seen.every(Boolean),
    { timeoutMs: 60_000 },
  );
  await signal();
  await eventually(
    'both have the last ping',
    () => [ours.pingsMs.length, theirs.pingsMs.length],
    (seen) => seen.every((count) => count >= pings),
    { timeoutMs: 60_000 },
  );
  const programs = ['orchestrator', 'worker'] as const;
  const before = programs.map((name) => memoryMb(platform.pid(name)));
  await signal();
  const flooded = performance.now();
  // A follower that loses the last line never ends; silence is the sign.
  await eventually(
    'the flood is over',
    () => [ours, theirs].map(({ counts, lastAt }) => [counts.size, Math.round(performance.now() - lastAt)]),
    (seen) => seen.every(([count = 0, quietMs = 0]) => count === lines || (count > 0 && quietMs > idleMs)),
    { timeoutMs: 300_000, everyMs: 200 },
  );
  console.log(`${lines} lines of ${bytes} bytes, Node ${process.version}, ${new Date().toISOString()}`);
  const perSecond: number[] = [];
  for (const { name, pingsMs, counts, lastAt } of [ours, theirs]) {
    const doubled = [...counts.values()].reduce((sum, count) => sum + count - 1, 0);
    const tookS = (lastAt - flooded) / 1000;
    perSecond.push(counts.size / tookS);
    console.log(
      `${name.padEnd(24)} printed -> shown p50 ${quantile(pingsMs, 0.5)} ms, p99 ${quantile(pingsMs, 0.99)} ms; ` +
        `flood: ${counts.size} lines in ${tookS.toFixed(2)} s = ${Math.round(counts.size / tookS)} lines/s, ` +
        `lost ${lines - counts.size}, doubled ${doubled}`,
    );
  }
  // By lines, not by times: the one that loses the most would finish first.
  console.log(
    `ratio of lines per second, ours over docker's: ${((perSecond[0] ?? 0) / (perSecond[1] ?? 1)).toFixed(2)}`,
  );
  for (const [index, name] of programs.entries()) {
    const after = memoryMb(platform.pid(name));
    console.log(
      `${name.padEnd(13)} RSS before ${before[index]?.now} MB, after ${after.now} MB, at most ${after.most} MB`,
    );
  }
  await ours.kill();
  await theirs.kill();
} finally {
  await engine.stop();
  rmSync(files, { recursive: true });
}
