import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { containerName } from '#common/ids.ts';
import type { Language } from '#common/language.ts';
import { findPython } from '../../worker/runtime/process/interpreters.ts';
import { eventually } from '../kit/eventually.ts';
import { startPackageIndex } from '../kit/package-index/package-index.ts';
import { createStandInWheels } from '../kit/package-index/stand-in-wheels.ts';
import { processRuntimeIn, processSigningKey } from '../kit/process-runtime.ts';
import { describeContainerRuntime } from './container-runtime.ts';
import { absentRequirement, endlessRequirement, startEndlessIndex } from './endless-index.ts';
import { botPlan, buildBot, type Harness, patience, second, untilExited, untilPrinted } from './harness.ts';

const python = await findPython(patience());
const languages: readonly Language[] = python ? ['node', 'python'] : ['node'];

const runtimeIn = (dir: string, workerId = 'worker-1', signingKey = processSigningKey, pipIndexUrl?: string) =>
  processRuntimeIn(dir, {
    workerId,
    signingKey,
    buildSettings: { pipIndexUrl, npmRegistry: pipIndexUrl },
  });

async function filesBelow(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function createProcessHarness(language: Language): Promise<Harness> {
  const dir = await mkdtemp(join(tmpdir(), 'process-runtime-'));
  const index = await startEndlessIndex('127.0.0.1');
  const forged = new Map<string, { name: string; content: string }>();
  return {
    language,
    hasImages: false,
    reusesPackages: false,
    outputTimeStepMs: 0,
    absentRequirement,
    endlessRequirement,
    endlessReached: () => index.reached(),
    runtime: ({ workerId, signingKey }) => runtimeIn(dir, workerId, signingKey, index.url),
    async forge(name, labels) {
      const id = `${forged.size}`.padStart(64, 'f');
      const content = JSON.stringify({ id, labels, image: 'x:y', build: 'x', sealed: '' });
      await mkdir(join(dir, 'containers', name), { recursive: true });
      await writeFile(join(dir, 'containers', name, 'container.json'), content);
      forged.set(id, { name, content });
      return id;
    },
    async forgedRuns(id) {
      const { name = '', content } = forged.get(id) ?? {};
      return (await readFile(join(dir, 'containers', name, 'container.json'), 'utf8')) === content;
    },
    async traces() {
      const folders = await Promise.all(
        ['images', 'builds', 'containers'].map((name) => readdir(join(dir, name)).catch(() => [])),
      );
      return folders.flat().sort();
    },
    async readable() {
      // Everything on disk but what the bot itself printed there.
      const files = (await filesBelow(dir)).filter((path) => !path.endsWith('.log'));
      return (await Promise.all(files.map((path) => readFile(path, 'utf8')))).join('\n');
    },
    async close() {
      await index.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

for (const language of languages) {
  describeContainerRuntime(`the process runtime with ${language} bots`, () => createProcessHarness(language));
}

test('what a worker that was killed left half made is gone after the next one begins', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'process-runtime-'));
  const left = ['containers/.new-1/app/bot.py', 'containers/.gone-2/x', 'builds/half/app/bot.py'];
  const temporary = ['images/bot@g1.json.0123456789ab.tmp', 'containers/bot/run.json.0123456789ab.tmp'];
  for (const path of [...left, ...temporary, 'containers/bot/container.json']) {
    await mkdir(join(dir, path, '..'), { recursive: true });
    await writeFile(join(dir, path), '{}');
  }
  await runtimeIn(dir).info(patience());
  expect(await filesBelow(dir)).toEqual([join(dir, 'containers/bot/container.json')]);
  await rm(dir, { recursive: true });
});

describe('the process runtime', { timeout: 60 * second }, () => {
  const key = { userId: 'dev', botId: 'echo' };
  const workerId = 'worker-1';
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'process-runtime-'));
  });
  afterEach(async () => {
    await runtimeIn(dir).shutdown(0);
    await rm(dir, { recursive: true, force: true });
  });
  const plan = (...steps: Parameters<typeof botPlan>[0]['steps'] & object) =>
    botPlan({ key, workerId, language: 'node', steps });

  test('finds a bot whose worker was killed with SIGKILL, reads on, and learns its true exit code', async () => {
    await buildBot(runtimeIn(dir), 'node', { key, workerId });
    const worker = spawn(process.execPath, [join(import.meta.dirname, 'process-worker-main.ts'), dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    for await (const chunk of worker.stdout) {
      output += String(chunk);
      if (output.includes('\n')) break;
    }
    const { id, cursor } = JSON.parse(output) as { id: string; cursor: string };
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    worker.kill('SIGKILL');
    await ended;

    const runtime = runtimeIn(dir);
    expect(await runtime.list(patience())).toMatchObject([{ id, status: 'running' }]);
    await untilPrinted(runtime, id, 'tick 5');
    const { lines, gap } = await runtime.readOutput(id, cursor, 1_000_000, patience());
    expect(gap).toBe(false);
    expect(lines[0]?.text).toBe('tick 0');
    await runtime.stop(id, 10 * second, patience());
    expect(await runtime.inspect(id, patience())).toMatchObject({ status: 'exited', exitCode: 0 });
  });

  test('stops its bots when it shuts down, and keeps their containers', async () => {
    const runtime = runtimeIn(dir);
    await buildBot(runtime, 'node', { key, workerId });
    const id = await runtime.create(plan(['print', 'ready']), patience());
    await runtime.start(id, patience());
    await untilPrinted(runtime, id, 'ready');
    // The rest of a time limit is rarely a whole number.
    await runtime.shutdown(10 * second + 0.5);
    expect(await runtimeIn(dir).inspect(id, patience())).toMatchObject({ status: 'exited', exitCode: 0 });
  });

  test('ends children of a bot with the bot', async () => {
    const runtime = runtimeIn(dir);
    const child =
      "import { spawn } from 'node:child_process'; console.log(spawn('sleep', ['1000'], { stdio: 'ignore' }).pid); process.exit(6);";
    await buildBot(runtime, 'node', { key, workerId, files: { 'child.mjs': child } });
    const base = plan();
    const id = await runtime.create(
      { ...base, run: { kind: 'simple', language: 'node', entrypoint: 'child.mjs' } },
      patience(),
    );
    await runtime.start(id, patience());
    expect(await untilExited(runtime, id)).toMatchObject({ exitCode: 6 });
    const { lines } = await runtime.readOutput(id, undefined, 1000, patience());
    const pid = Number(lines[0]?.text);
    expect(pid).toBeGreaterThan(1);
    // It is dead at once; until its new parent has taken note of that it still has its number.
    await eventually(
      'the child is gone',
      () => stat(`/proc/${pid}`).catch(() => 'gone'),
      (seen) => seen === 'gone',
      { timeoutMs: 20_000 },
    );
  });

  test('gives a bot little environment, a home of its own and its own copy of the files', async () => {
    const runtime = runtimeIn(dir);
    process.env['WORKER_TOKEN_OF_TEST'] = 'canary';
    const show = 'console.log(JSON.stringify([Object.keys(process.env).sort(), process.cwd(), process.env.HOME]));';
    await buildBot(runtime, 'node', { key, workerId, files: { 'show.mjs': show } });
    const base = plan();
    const id = await runtime.create(
      { ...base, run: { kind: 'simple', language: 'node', entrypoint: 'show.mjs' } },
      patience(),
    );
    await runtime.start(id, patience());
    await untilExited(runtime, id);
    delete process.env['WORKER_TOKEN_OF_TEST'];
    const { lines } = await runtime.readOutput(id, undefined, 10_000, patience());
    const [names, cwd, home] = JSON.parse(lines[0]?.text ?? '');
    // The shell adds its own few.
    const shells = ['PWD', 'OLDPWD', 'SHLVL', '_'];
    expect(names.filter((name: string) => !shells.includes(name))).toEqual([
      'BOTRUNNER_DATA_DIR',
      'HOME',
      'LANG',
      'PATH',
      'PYTHONUNBUFFERED',
      'STEPS',
    ]);
    expect([cwd, home].every((path: string) => path.startsWith(join(dir, 'containers')))).toBe(true);
  });

  test('empties an output file that has grown too large, and reports the gap once', async () => {
    const runtime = runtimeIn(dir);
    await buildBot(runtime, 'node', { key, workerId });
    const id = await runtime.create(plan(['print', 'first'], ['fill', 16_000_000], ['print', '']), patience());
    await runtime.start(id, patience());
    const path = (await filesBelow(join(dir, 'containers'))).find((name) => name.endsWith('stdout.log')) ?? '';
    await eventually(
      'all was printed',
      async () => (await stat(path)).size,
      (size) => size > 16_000_000,
    );
    const before = await runtime.readOutput(id, undefined, 1, patience());
    await runtime.stop(id, 10 * second, patience());
    const after = await runtime.readOutput(id, before.cursor, 1000, patience());
    const last = await runtime.readOutput(id, after.cursor, 1000, patience());
    expect([before.gap, after.gap, last.gap]).toEqual([false, true, false]);
    expect([before, after, last].map(({ lines }) => lines.map(({ text }) => text))).toEqual([
      ['first'],
      ['got SIGTERM'],
      [],
    ]);
  });

  test('says of a bot whose user asks for limits that it cannot enforce them, and of no other', async () => {
    const runtime = runtimeIn(dir, workerId, processSigningKey);
    await buildBot(runtime, 'node', { key, workerId });
    const said: string[] = [];
    const plan = botPlan({ key, workerId, language: 'node' });
    await runtime.remove(await runtime.create(plan, patience(), (line) => said.push(line)), patience());
    expect(said).toEqual([]);
    const limited = { ...plan, pids: 200, asksForLimits: true };
    await runtime.remove(await runtime.create(limited, patience(), (line) => said.push(line)), patience());
    expect(said).toEqual([
      expect.stringContaining('limits on memory, CPU, disk space and processes have no effect here'),
    ]);
  });

  test('finds and ends a bot whose folder is gone', async () => {
    const runtime = runtimeIn(dir, workerId, processSigningKey);
    await buildBot(runtime, 'node', { key, workerId });
    const id = await runtime.create(botPlan({ key, workerId, language: 'node', steps: [['print', 'up']] }), patience());
    await runtime.start(id, patience());
    await untilPrinted(runtime, id, 'up');
    const name = containerName(key);
    await rm(join(dir, 'containers', name), { recursive: true });
    const [stray, ...others] = await runtime.strays(patience());
    expect([stray, others]).toMatchObject([{ name, key: undefined, running: true }, []]);
    await runtime.removeStray(stray?.id ?? '', patience());
    expect(await runtime.strays(patience())).toEqual([]);
  });

  test.skipIf(!python)('installs what a Python bot requires into an environment of its own', async () => {
    const index = await startPackageIndex({ host: '127.0.0.1', wheels: createStandInWheels() });
    try {
      const runtime = runtimeIn(dir, workerId, processSigningKey, index.url);
      await buildBot(runtime, 'python', { key, workerId, requirements: ['aiogram>=3.0'] });
      const id = await runtime.create(
        botPlan({ key, workerId, language: 'python', steps: [['import', 'aiogram']] }),
        patience(),
      );
      await runtime.start(id, patience());
      await untilPrinted(runtime, id, 'aiogram 3.4.1');
    } finally {
      await index.close();
    }
  });
});
