/**
 * A whole platform of private parts for a storm: orchestrator, workers, an engine, a nats-server, and a proxy in each way
 * between them. What a fault needs is here; what it does is in faults.ts.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from '../../scripts/platform/free-port.ts';
import { loadBaseImages } from '../kit/base-images/base-images.ts';
import { FileSet } from '../kit/base-images/file-set.ts';
import { createNatsServer, type TestNatsServer } from '../kit/nats/nats-server.ts';
import { debianPackages } from '../kit/private-engine/debian-packages.ts';
import { callEngine } from '../kit/private-engine/engine-api.ts';
import { defaultCacheDir, type PrivateEngine, startPrivateEngine } from '../kit/private-engine/private-engine.ts';
import { runProgram } from '../kit/private-engine/run-program.ts';
import { diaryBot } from './diary-bot.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { KeptProgram } from './kept-program.ts';
import { botsMax, type StormPlan, spotOf, workers } from './plan.ts';
import { claimFolder, endStorm, folderPrefix, ownerFile, sweepStorms } from './sweep.ts';

export const stormImage = 'storm-bot:1';

export interface StormParts {
  /** A folder of this storm's own; everything of it lies below. */
  readonly dir: string;
  /** Where bots reach this machine. */
  readonly hostAddress: string;
  readonly engine: PrivateEngine | undefined;
  readonly nats: TestNatsServer | undefined;
  readonly orchestrator: KeptProgram;
  readonly workers: readonly KeptProgram[];
  /** The orchestrator's port, without a proxy: for looking at the end. */
  readonly directUrl: string;
  readonly toOrchestrator: FaultProxy;
  /** Worker by worker. */
  readonly fromWorkers: readonly FaultProxy[];
  /** Worker by worker; undefined for one that has no engine. */
  readonly toEngine: readonly (FaultProxy | undefined)[];
  /** The folder of the orchestrator's store, which is a small disk of its own; undefined where none can be mounted. */
  readonly storeDisk: string | undefined;
  /** Sets a program's clock this many seconds from the real one; undefined where that cannot be done. */
  readonly setClock: ((program: KeptProgram, seconds: number) => void) | undefined;
  /** What cannot be done on this machine, for people. */
  readonly missing: readonly string[];
  close(): Promise<void>;
}

const diskMib = 128;

/** `keep` leaves the folder behind when everything is closed. */
export async function startParts(plan: StormPlan, keep: boolean): Promise<StormParts> {
  await sweepStorms();
  const dir = mkdtempSync(join(tmpdir(), folderPrefix));
  claimFolder(dir);
  const missing: string[] = [];
  const undo: (() => Promise<unknown> | undefined)[] = [
    async () => {
      await endStorm(dir);
      rmSync(keep ? join(dir, ownerFile) : dir, { recursive: true, force: true });
    },
  ];
  const close = async () => {
    for (let step = undo.pop(); step; step = undo.pop()) await step();
  };
  const tried = async <T>(what: string, make: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await make();
    } catch (error) {
      missing.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  try {
    const [engine, nats, library, storeDisk] = await Promise.all([
      tried('no engine', () => startEngine(plan.liveRestore, process.env['BOTRUNNER_TEST_ENGINE_SUITE'] || undefined)),
      tried('no nats-server', async () => {
        const made = await createNatsServer({ jetStream: true });
        undo.push(() => made.remove());
        await made.start();
        return made;
      }),
      tried('no clock steps', fakeTimeLibrary),
      tried('no full disk', () => mountDisk(join(dir, 'store'))),
    ]);
    if (engine) {
      undo.push(async () => {
        if (keep) copyFileSync(join(dirname(engine.socketPath), 'dockerd.log'), join(dir, 'dockerd.log'));
        await engine.stop();
      });
    }

    const folder = (...names: string[]) => {
      mkdirSync(join(dir, ...names), { recursive: true });
      return join(dir, ...names);
    };
    const clockFile = (name: string) => join(dir, `clock of ${name}`);
    const setClockOf = (name: string, seconds: number) =>
      writeFileSync(clockFile(name), `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}\n`);
    const envOf = (name: string): NodeJS.ProcessEnv => {
      setClockOf(name, 0);
      return {
        PATH: process.env['PATH'],
        HOME: dir,
        TMPDIR: folder('tmp'),
        LOG_LEVEL: 'info',
        ...(library && {
          LD_PRELOAD: library,
          FAKETIME_TIMESTAMP_FILE: clockFile(name),
          FAKETIME_NO_CACHE: '1',
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
        }),
      };
    };

    const port = await freePort();
    const proxy = async (target: Parameters<typeof startFaultProxy>[0]) => {
      const started = await startFaultProxy(target);
      undo.push(() => started.close());
      return started;
    };
    const toOrchestrator = await proxy({ port, host: '127.0.0.1' });
    const fromWorkers: FaultProxy[] = [];
    const toEngine: (FaultProxy | undefined)[] = [];
    const orchestrator = new KeptProgram('orchestrator', 'orchestrator', join(dir, 'orchestrator.log'), {
      ...envOf('orchestrator'),
      PORT: String(port),
      DATA_DIR: storeDisk ?? folder('store'),
      MAX_BOTS_PER_USER: String(botsMax),
      ...(nats && { NATS_URL: nats.url }),
    });
    undo.push(() => orchestrator.end());
    await orchestrator.start();
    const programs: KeptProgram[] = [];
    for (let n = 0; n < workers; n++) {
      const name = `worker-${n}`;
      fromWorkers[n] = await proxy({ port, host: '127.0.0.1' });
      // The last one has no engine; without any engine, no worker has one.
      toEngine[n] = engine && n < workers - 1 ? await proxy({ path: engine.socketPath }) : undefined;
      const program = new KeptProgram(name, 'worker', join(dir, `${name}.log`), {
        ...envOf(name),
        WORKER_ID: name,
        WORKER_LABELS: `spot=${spotOf(n)}`,
        DATA_DIR: folder(name),
        ORCHESTRATOR_URL: `http://127.0.0.1:${fromWorkers[n]?.port}`,
        ...(toEngine[n]
          ? { RUNTIME: 'docker', DOCKER_HOST: `tcp://127.0.0.1:${toEngine[n]?.port}` }
          : { RUNTIME: 'process' }),
      });
      undo.push(() => program.end());
      programs.push(program);
    }
    // All of them, so that none is still being started when everything is closed.
    const started = await Promise.allSettled(programs.map((program) => program.start()));
    for (const each of started) if (each.status === 'rejected') throw each.reason;
    return {
      dir,
      hostAddress: engine?.hostAddress ?? '127.0.0.1',
      engine,
      nats,
      orchestrator,
      workers: programs,
      directUrl: `http://127.0.0.1:${port}`,
      toOrchestrator,
      fromWorkers,
      toEngine,
      storeDisk,
      setClock: library === undefined ? undefined : ({ id }, seconds) => setClockOf(id, seconds),
      missing,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startEngine(liveRestore: boolean, suite: string | undefined): Promise<PrivateEngine> {
  const engine = await startPrivateEngine({ liveRestore, suite });
  try {
    await loadBaseImages(engine.dockerHost, engine.packages, ['python']);
    const files = new FileSet();
    files.text('/Dockerfile', 'FROM python:3.11-slim\nCOPY bot.py /bot.py\nCMD ["python", "-u", "/bot.py"]\n');
    files.text('/bot.py', diaryBot);
    const query = new URLSearchParams({ t: stormImage, rm: '1', forcerm: '1' });
    const build = { method: 'POST', body: files.pack(), timeoutMs: 120_000 };
    const { text } = await callEngine(engine.dockerHost, `/build?${query}`, build);
    if (text.includes('"error"')) throw new Error(`the image of the bots was not built: ${text.slice(-300)}`);
    return engine;
  } catch (error) {
    await engine.stop();
    throw error;
  }
}

async function mountDisk(path: string): Promise<string> {
  mkdirSync(path, { recursive: true });
  await runProgram('mount', ['-t', 'tmpfs', '-o', `size=${diskMib}m,mode=0700`, 'storm', path]);
  return path;
}

/** libfaketime, unpacked beside the system. Rejects where Debian's package cannot be had. */
async function fakeTimeLibrary(): Promise<string> {
  const tree = await debianPackages(join(defaultCacheDir, 'faketime'), ['libfaketime']);
  const found = ['x86_64', 'aarch64']
    .map((machine) => tree.find(`/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`))
    .find((path) => path !== undefined);
  if (found === undefined) throw new Error('the package libfaketime has no library for this machine');
  return found;
}

/** The last lines of a program's log, for a message. */
export const tailOf = (path: string, lines: number): string =>
  readFileSync(path, 'utf8').trim().split('\n').slice(-lines).join('\n');
