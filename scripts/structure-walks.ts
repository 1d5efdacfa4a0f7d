/**
 * Which files a request really passes through: npm run structure:walks [-- PATH]
 * Runs command line, orchestrator and worker (with the fake runtime) in this process, asks V8 which functions run while a bot is started and
 * while its log is read, and leaves out those that run without a request, too. PATH is another checkout, as for `npm run structure`.
 */
import { existsSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join, relative, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { runCli as RunCli } from '../cli/testing/run-cli.ts';
import type { startTestOrchestrator as StartTestOrchestrator } from '../test/kit/orchestrator-for-tests.ts';
import type { createWorkerForTests as CreateWorkerForTests } from '../test/worker/kit/worker-for-tests.ts';
import { checkout } from './process/checkout.ts';

const root = resolve(process.argv[2] ?? checkout);
const load = (path: string) => import(pathToFileURL(join(root, path)).href);
const { startTestOrchestrator }: { startTestOrchestrator: typeof StartTestOrchestrator } = await load(
  'test/kit/orchestrator-for-tests.ts',
);
const { createWorkerForTests }: { createWorkerForTests: typeof CreateWorkerForTests } = await load(
  'test/worker/kit/worker-for-tests.ts',
);
const { runCli }: { runCli: typeof RunCli } = await load('cli/testing/run-cli.ts');

const orchestrator = await startTestOrchestrator();
const world = await createWorkerForTests();
await world.start(orchestrator.url);
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });

// Its place before the command line had rooms, too.
const clientPath = ['cli/calls/client.ts', 'cli/client.ts'].find((path) => existsSync(join(root, path))) ?? '';
const { openClient } = await load(clientPath);
const { systemClock } = await load('common/clock.ts');
// Not called: it counts the idempotency keys.
const { FakeOrchestrator } = await load('cli/testing/fake-orchestrator.ts');
const keys = new FakeOrchestrator();
const options = {
  orchestrator: keys,
  openClient,
  clock: systemClock,
  env: { AVTOMATIKA_URL: orchestrator.url, AVTOMATIKA_TOKEN: 'test-client-token' },
};
const cli = async (...argv: string[]) => {
  const told = await runCli(argv, options as Parameters<typeof RunCli>[1]);
  if (told.exitCode !== 0) throw new Error(`${argv.join(' ')} failed: ${told.stderr}`);
};
// Once before, so that no module is loaded while it is watched.
await cli('start', 'warm', '--simple', '--inline', '--code', 'print(1)');
await cli('logs', 'warm');
const idle = await ran(() => pause(6_000));
const walks = {
  'a start': await ran(() => cli('start', 'walked', '--simple', '--inline', '--code', 'print(1)')),
  'a log': await ran(() => cli('logs', 'walked')),
};
for (const [name, functions] of Object.entries(walks)) {
  const own = [...functions].filter((one) => !idle.has(one));
  const files = [...new Set(own.map((one) => one.split(' ')[0] ?? ''))].sort();
  const of = (program: string) => files.filter((file) => file.startsWith(`${program}/`)).length;
  const counts = ['cli', 'orchestrator', 'worker', 'common'].map((program) => `${program} ${of(program)}`).join(', ');
  console.log(`${name}: ${files.length} files (${counts}), ${own.length} functions`);
}
await world.close();
await orchestrator[Symbol.asyncDispose]();
process.exit(0);

/** "path function@offset" of what ran meanwhile. */
async function ran(work: () => Promise<unknown>): Promise<ReadonlySet<string>> {
  await session.post('Profiler.takePreciseCoverage');
  await work();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const found = new Set<string>();
  for (const { url, functions } of result) {
    if (!url.startsWith('file://')) continue;
    const path = relative(root, fileURLToPath(url));
    if (!/^(?:cli|orchestrator|worker|common)\//.test(path) || path.includes('/testing/')) continue;
    for (const { functionName, ranges } of functions) {
      const [whole] = ranges;
      // The function of a module itself has no name and begins at its first character.
      if (whole && whole.count > 0 && !(functionName === '' && whole.startOffset === 0)) {
        found.add(`${path} ${functionName}@${whole.startOffset}`);
      }
    }
  }
  return found;
}
