/**
 * Which files one opens to follow a start and a log line: npm run structure:walks [-- PATH]
 * Runs command line, orchestrator and worker (with the fake runtime) in this process, with a probe in each of their functions, and
 * prints the calls by which a request gets from the command to the container, file by file. PATH is another checkout, as for
 * `npm run structure`.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { runCli as RunCli } from '../cli/testing/run-cli.ts';
import type { startTestOrchestrator as StartTestOrchestrator } from '../test/kit/orchestrator-for-tests.ts';
import type { createWorkerForTests as CreateWorkerForTests } from '../test/worker/kit/worker-for-tests.ts';
import { checkout } from './process/checkout.ts';
import { callsOf, probe } from './structure/call-probes.ts';
import { type Stage, wayOf } from './structure/call-way.ts';

interface Walk {
  readonly name: string;
  readonly argv: readonly string[];
  readonly stages: readonly Stage[];
}

const root = resolve(process.argv[2] ?? checkout);
/** Without what runs in tests alone, of which the rehearsal of changes is one. */
const isProgram = (path: string): boolean =>
  /^(?:cli|orchestrator|worker|common)\/.*\.ts$/.test(path) && !/\/testing\/|\.test\.ts$|\/rehearsal\.ts$/.test(path);
probe(root, (path) => isProgram(path) || path.endsWith('fake-runtime.ts'));

// Places that were others before the command line and the logs had rooms are named by their ends.
const walks: readonly Walk[] = [
  {
    name: 'a start, from the command to the container',
    argv: ['start', 'walked', '--simple', '--inline', '--code', 'print(1)'],
    stages: [
      { from: /^cli\/run\.ts$/, through: /^cli\/(?:calls\/)?submit\.ts$/, to: /^cli\/wire\/post\.ts$/ },
      {
        from: /^orchestrator\/server\/port\.ts$/,
        through: /\/bot-service\.ts$/,
        to: /^orchestrator\/engine\/placing\.ts$/,
      },
      {
        from: /^orchestrator\/server\/port\.ts$/,
        through: /\/bot-service\.ts$/,
        to: /^orchestrator\/fleet\/send-queue\.ts$/,
      },
      { from: /^worker\/session\/session\.ts$/, through: /\/container-steps\.ts$/, to: /\/fake-runtime\.ts create$/ },
    ],
  },
  {
    name: 'a log line, from the command to the log',
    argv: ['logs', 'walked'],
    stages: [
      { from: /^cli\/run\.ts$/, through: /\/stream-logs\.ts$/, to: /^cli\/wire\/http2\.ts$/ },
      {
        from: /^orchestrator\/server\/port\.ts$/,
        through: /\/bot-service\.ts$/,
        to: /^orchestrator\/fleet\/send-queue\.ts$/,
      },
      { from: /^worker\/session\/session\.ts$/, through: /\/tails\.ts$/, to: /^worker\/logs\/log-store\.ts$/ },
    ],
  },
];

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
const clientPath = ['cli/calls/client.ts', 'cli/client.ts'].find((path) => existsSync(join(root, path))) ?? '';
const { openClient } = await load(clientPath);
const { systemClock } = await load('common/clock.ts');
// Not called: it counts the idempotency keys.
const { FakeOrchestrator } = await load('cli/testing/fake-orchestrator.ts');
const options = {
  orchestrator: new FakeOrchestrator(),
  openClient,
  clock: systemClock,
  env: { AVTOMATIKA_URL: orchestrator.url, AVTOMATIKA_TOKEN: 'test-client-token' },
};
const cli = async (...argv: readonly string[]) => {
  const told = await runCli(argv, options as Parameters<typeof RunCli>[1]);
  if (told.exitCode !== 0) throw new Error(`${argv.join(' ')} failed: ${told.stderr}`);
};
// Once before, so that no module is loaded while it is watched.
await cli('start', 'warm', '--simple', '--inline', '--code', 'print(1)');
await cli('logs', 'warm');
const functionOf = ({ path, id }: { readonly path: string; readonly id: number }) => `${path} ${id}`;
const idle = new Set((await callsOf(() => pause(6_000))).map(functionOf));
for (const { name, argv, stages } of walks) {
  const calls = await callsOf(() => cli(...argv));
  const ways = stages.map((stage) => wayOf(calls, stage));
  const opened = new Set(ways.flat());
  console.log(`${name}: ${opened.size} files`);
  for (const way of ways) console.log(`  ${way.join(' > ')}`);
  const own = calls.filter((call) => isProgram(call.path) && !idle.has(functionOf(call)));
  const ran = [...new Set(own.map(({ path }) => path))];
  const of = (program: string) => ran.filter((file) => file.startsWith(`${program}/`)).length;
  const counts = ['cli', 'orchestrator', 'worker', 'common'].map((program) => `${program} ${of(program)}`).join(', ');
  console.log(`  of ${ran.length} files that do something for it (${counts})\n`);
}
await world.close();
await orchestrator[Symbol.asyncDispose]();
process.exit(0);
