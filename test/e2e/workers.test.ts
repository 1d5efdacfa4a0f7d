/**
 * Three workers on one machine, through the real programs and the real CLI: two of plain processes, and one on a Docker engine
 * where there is one. The tests follow one another on the same platform.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { endProgram, type Program, startProgram } from '../../scripts/platform/children.ts';
import { eventually } from '../kit/eventually.ts';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import { deleteBot, startTestPlatform, type TestPlatform } from '../kit/platform-for-tests.ts';
import { usableDocker } from '../kit/test-docker.ts';

const docker = inject('docker');
const longMs = 150_000;
const patient = { timeoutMs: 60_000 };

interface OtherWorker {
  readonly program: Program;
  readonly dataDir: string;
  log(): string;
}

describe('three workers', () => {
  let platform: TestPlatform;
  let files: string;
  const others = new Map<string, OtherWorker>();

  /** A worker beside the platform's own. `dataDir` of another one makes it a copy of that. */
  function startWorker(name: string, env: Readonly<Record<string, string>>, dataDir = join(files, name)): OtherWorker {
    const logFile = join(files, `${name}.log`);
    const program = startProgram('worker', {
      env: {
        ...process.env,
        RUNTIME: 'process',
        LOG_LEVEL: 'info',
        DATA_DIR: dataDir,
        ORCHESTRATOR_URL: platform.url,
        ...env,
      },
      logFile,
    });
    const worker = { program, dataDir, log: () => readFileSync(logFile, 'utf8') };
    others.set(name, worker);
    return worker;
  }
  const other = (name: string): OtherWorker => {
    const worker = others.get(name);
    if (worker === undefined) throw new Error(`${name} was not started`);
    return worker;
  };
  const admin = (...words: string[]) => platform.cli(['worker', ...words, '--token', 'test-admin-token']);
  // Asked without the command line where it matters when: under load that takes longer to start than what is waited for.
  const ask = async (call: string, token: string, body: object): Promise<JsonBody> => {
    const response = await fetch(`${platform.url}/botrunner.v1.${call}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return response.json();
  };
  const workerNow = async (name: string): Promise<JsonBody> =>
    (await ask('AdminService/ListWorkers', 'test-admin-token', {})).workers?.find(
      ({ workerId }: JsonBody) => workerId === name,
    );
  const stateOf = async (name: string): Promise<string> => (await workerNow(name))?.state ?? 'none';
  const until = (name: string, state: string) =>
    eventually(
      `${name} is ${state}`,
      () => stateOf(name),
      (seen) => seen === `WORKER_STATE_${state}`,
      patient,
    );

  beforeAll(async () => {
    files = mkdtempSync(join(tmpdir(), 'workers-'));
    platform = await startTestPlatform({
      RUNTIME: 'process',
      WORKER_ID: 'one',
      WORKER_LABELS: 'zone=eu,disk=fast,plain=yes',
      MAX_BOTS_PER_USER: '4',
    });
    // The first address of its list is dead; it goes to the next.
    startWorker('two', {
      WORKER_ID: 'two',
      WORKER_LABELS: 'zone=us,plain=yes',
      ORCHESTRATOR_URL: `http://127.0.0.1:1,${platform.url}`,
    });
    startWorker('three', {
      WORKER_ID: 'three',
      WORKER_LABELS: 'zone=asia',
      ...('skip' in docker ? {} : { RUNTIME: 'docker', DOCKER_HOST: usableDocker(docker).host }),
    });
    for (const name of ['one', 'two', 'three']) await until(name, 'READY');
  }, longMs);
  afterAll(async () => {
    for (const { program } of others.values()) {
      // One that a test left frozen would not react to SIGTERM.
      program.child.kill('SIGCONT');
      await endProgram(program);
    }
    await platform?.[Symbol.asyncDispose]();
    if (files) rmSync(files, { recursive: true, force: true });
  }, longMs);

  /** A bot that writes into one file, wherever it runs, when it begins and when it has ended. */
  const diary = (name: string) => join(files, `${name}.diary`);
  const writing = (name: string): string => {
    const path = join(files, `${name}.mjs`);
    writeFileSync(
      path,
      `import { appendFileSync } from 'node:fs';
const say = (what) => appendFileSync(${JSON.stringify(diary(name))}, what + ' ' + process.pid + '\\n');
say('begin');
setInterval(() => {}, 1000);
process.on('SIGTERM', () => { say('end'); process.exit(0); });
`,
    );
    return path;
  };
  const entries = (name: string): readonly string[] =>
    existsSync(diary(name)) ? readFileSync(diary(name), 'utf8').trim().split('\n') : [];
  const pidOf = (name: string): number => Number(entries(name).at(-1)?.split(' ')[1]);
  const runs = (pid: number) => existsSync(`/proc/${pid}`);
  const start = async (name: string, ...words: string[]) => {
    const started = await platform.cli(['start', name, '--simple', writing(name), ...words]);
    expect(started).toMatchObject({ code: 0 });
    await eventually(
      `${name} has begun`,
      () => entries(name).length,
      (count) => count > 0,
      patient,
    );
  };

  it('a bot goes where its labels say, and status, logs and stop reach it there', { timeout: longMs }, async () => {
    await start('euro', '--on', 'zone=eu', '--on', 'disk=fast');
    await start('dollar', '--on', 'zone=us');
    expect(await platform.status('euro')).toMatchObject({ status: 'running', worker_id: 'one', runtime: 'process' });
    expect(await platform.status('dollar')).toMatchObject({ status: 'running', worker_id: 'two' });
    expect((await platform.cli(['logs', 'dollar'])).code).toBe(0);
    const table = (await platform.cli(['list'])).stdout;
    expect(table).toMatch(/euro +running .* one /);
    expect(table).toMatch(/dollar +running .* two /);
    const lost = await platform.cli(['start', 'lost', '--simple', writing('lost'), '--on', 'zone=mars']);
    expect(lost).toMatchObject({ code: 1, stderr: expect.stringMatching(/NO_WORKER: .*zone=mars/) });
    expect(await platform.cli(['status', 'lost'])).toMatchObject({ code: 1 });
  });

  it.skipIf('skip' in docker)(
    'an image goes to the worker that has Docker, though the others are emptier',
    {
      timeout: longMs,
    },
    async () => {
      const started = await platform.cli(['start', 'placed-by-mode', '--image', 'python:3.11-slim']);
      expect(started).toMatchObject({ code: 0 });
      expect(await platform.status('placed-by-mode')).toMatchObject({ worker_id: 'three', runtime: 'docker' });
      await deleteBot(platform, 'placed-by-mode');
    },
  );

  it('the quota counts the bots on all workers', { timeout: longMs }, async () => {
    await start('third', '--on', 'zone=eu');
    await start('fourth', '--on', 'zone=us');
    const refused = await platform.cli(['start', 'fifth', '--simple', writing('fifth'), '--on', 'zone=us']);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain('QUOTA_EXCEEDED');
    await deleteBot(platform, 'third');
    await deleteBot(platform, 'fourth');
    expect(JSON.parse((await platform.cli(['list', '--json'])).stdout).count).toBe(2);
  });

  it('the bots of a frozen worker are unknown after 10 s, run on, and are true within 5 s after it thaws', {
    timeout: longMs,
  }, async () => {
    const pid = pidOf('dollar');
    const { child } = other('two').program;
    const botNow = async (): Promise<string> =>
      (await ask('BotService/GetBot', 'test-client-token', { botId: 'dollar' })).bot.state;
    child.kill('SIGSTOP');
    const frozenAt = performance.now();
    let unknownAfterMs: number;
    try {
      await eventually(
        'two gets nothing new',
        () => stateOf('two'),
        (state) => /SUSPECT|AWAY/.test(state),
        patient,
      );
      await eventually('its bot is unknown', botNow, (state) => state === 'BOT_STATE_UNKNOWN', patient);
      unknownAfterMs = performance.now() - frozenAt;
      const seen = await platform.status('dollar');
      expect(seen.status).toBe('unknown');
      expect(seen.reason).toMatch(/^its worker two has not been heard from for \d+ s/);
      expect(await platform.status('euro')).toMatchObject({ status: 'running' });
    } finally {
      child.kill('SIGCONT');
    }
    const thawedAt = performance.now();
    await eventually('its bot is true again', botNow, (state) => state === 'BOT_STATE_RUNNING', patient);
    const trueAfterMs = performance.now() - thawedAt;
    console.info(
      `unknown ${Math.round(unknownAfterMs)} ms after SIGSTOP, true ${Math.round(trueAfterMs)} ms after SIGCONT`,
    );
    expect(trueAfterMs).toBeLessThan(5_000);
    expect(entries('dollar')).toEqual([`begin ${pid}`]);
    expect(runs(pid)).toBe(true);
  });

  it('a drain moves bots without overlap and reports what stays; a cordon outlives kill -9 of the orchestrator', {
    timeout: longMs,
  }, async () => {
    await start('roaming', '--on', 'plain=yes');
    const { worker_id: home } = await platform.status('roaming');
    const before = pidOf('roaming');
    const drained = await admin('drain', home, '--leave-data', '--json');
    const steps = drained.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const ofRoaming = steps.filter(({ bot_id }) => bot_id === 'roaming');
    expect(ofRoaming).toMatchObject([{ outcome: 'moving', worker_id: home }, { outcome: 'moved' }]);
    // The bot with labels has nowhere to go, if it was there: running bots stay, and the exit code says so.
    const pinned = home === 'one' ? 'euro' : home === 'two' ? 'dollar' : undefined;
    expect(drained.code).toBe(pinned === undefined ? 0 : 3);
    if (pinned !== undefined) {
      expect(steps.find(({ bot_id }) => bot_id === pinned)).toMatchObject({ outcome: 'stays', worker_id: home });
      expect(steps.find(({ bot_id }) => bot_id === pinned).reason).toMatch(/is not labelled .*zone=/);
    }
    expect(steps.at(-1)).toEqual({ worker_id: home, running_bots: pinned === undefined ? 0 : 1 });
    const after = await platform.status('roaming');
    expect(after).toMatchObject({ status: 'running' });
    expect(after.worker_id).not.toBe(home);
    await eventually(
      'it has begun there',
      () => entries('roaming').length,
      (count) => count === 3,
      patient,
    );
    expect(entries('roaming')).toEqual([`begin ${before}`, `end ${before}`, `begin ${pidOf('roaming')}`]);
    await platform.kill('orchestrator');
    await platform.start('orchestrator');
    await until(home, 'READY');
    expect(await workerNow(home)).toMatchObject({ cordoned: true });
    expect((await admin('uncordon', home)).stdout).toBe(`${home} gets bots again.\n`);
    await deleteBot(platform, 'roaming');
  });

  it('a copy of a worker takes its session; the first says why, and leaves its bots as they are until the copy is gone', {
    timeout: longMs,
  }, async () => {
    const pid = pidOf('dollar');
    const first = other('two');
    const connections = (worker: OtherWorker) => worker.log().split('connected to the orchestrator').length - 1;
    const before = connections(first);
    const copied = join(files, 'copy');
    mkdirSync(join(copied, 'worker'), { recursive: true, mode: 0o700 });
    for (const name of ['worker-id', 'credential', 'store-id']) {
      copyFileSync(join(first.dataDir, 'worker', name), join(copied, 'worker', name));
    }
    const copy = startWorker('copy', { WORKER_LABELS: 'zone=us' }, copied);
    await eventually(
      'the first says why',
      () => first.log(),
      (log) => log.includes('another process has connected as worker two'),
      patient,
    );
    await eventually(
      'the copy is connected',
      () => connections(copy),
      (count) => count === 1,
      patient,
    );
    expect(runs(pid)).toBe(true);
    await endProgram(copy.program);
    await eventually(
      'the first is back',
      () => connections(first),
      (count) => count > before,
      patient,
    );
    expect(runs(pid)).toBe(true);
    expect(connections(copy)).toBe(1);
  });

  it('a worker that lost its credential learns how it is let in again; one that was revoked, too', {
    timeout: longMs,
  }, async () => {
    const env = {
      WORKER_ID: 'three',
      WORKER_LABELS: 'zone=asia',
      ...('skip' in docker ? {} : { RUNTIME: 'docker', DOCKER_HOST: usableDocker(docker).host }),
    };
    await endProgram(other('three').program);
    rmSync(join(other('three').dataDir, 'worker', 'credential'));
    const locked = startWorker('three', env);
    await eventually(
      'it says who lets it in',
      () => locked.log(),
      (log) =>
        /The worker id three belongs to a worker with another credential\. .*avtomatika-bot worker readmit three/.test(
          log,
        ),
      patient,
    );
    // It retries on its own, and is back once it may be.
    expect((await admin('readmit', 'three')).code).toBe(0);
    await until('three', 'READY');
    expect((await admin('revoke', 'three')).stdout).toMatch(/^three is revoked/);
    await eventually(
      'it says why',
      () => locked.log(),
      (log) => log.includes('The worker three was revoked.'),
      patient,
    );
    expect(await workerNow('three')).toMatchObject({ revoked: true, state: 'WORKER_STATE_AWAY' });
    expect((await admin('readmit', 'three')).code).toBe(0);
    await until('three', 'READY');
    const needsAdmin = await platform.cli(['worker', 'list']);
    expect(needsAdmin).toMatchObject({ code: 5 });
  });
});
