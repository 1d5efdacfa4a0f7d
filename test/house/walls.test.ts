/** Each wall of biome.walls.json, tried by a file that breaks it and by a neighbour that may do the same. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkoutPath } from '../../scripts/process/checkout.ts';

/** What the file must not import: a specifier, or `{ name } from specifier`. */
const refused: Record<string, readonly string[]> = {
  'common/a.ts': [
    '../worker/main.ts',
    '../orchestrator/core/quota.ts',
    '../cli/calls/client.ts',
    '#worker/main.ts',
    'avtomatika-bot-runner/cli/calls/client.ts',
    'pino',
    'dockerode',
    'node:fs',
    'node:fs/promises',
    'node:child_process',
    'node:http',
    'node:http2',
    'node:https',
    '{ connect } from node:net',
  ],
  'common/log.ts': ['../worker/main.ts', 'dockerode'],
  'common/boot-id.ts': ['../worker/main.ts', 'pino'],
  'common/a.test.ts': ['../worker/main.ts'],
  'orchestrator/main.ts': [
    'clipanion',
    '../worker/main.ts',
    '../cli/calls/client.ts',
    '#worker/main.ts',
    'avtomatika-bot-runner/worker/main.ts',
    'node:sqlite',
    'dockerode',
    '@grpc/grpc-js',
    '@connectrpc/connect-node',
    'pino',
  ],
  'orchestrator/store/a.ts': ['../../worker/main.ts', 'dockerode'],
  'orchestrator/server/a.ts': ['../../worker/main.ts', 'node:sqlite', '@grpc/grpc-js'],
  'orchestrator/core/a.ts': [
    'node:fs',
    'node:child_process',
    'node:http',
    'node:sqlite',
    'node:crypto',
    'node:timers',
    'node:timers/promises',
    'node:os',
    'node:process',
    'node:perf_hooks',
    '../../worker/main.ts',
  ],
  'orchestrator/core/bot/a.ts': ['node:crypto', 'node:fs'],
  'orchestrator/store/workspace/a.ts': ['node:crypto', 'node:fs', 'node:worker_threads'],
  'orchestrator/engine/a.ts': ['node:crypto', 'node:fs', 'node:timers', 'node:perf_hooks'],
  'orchestrator/engine/token-ownership.ts': ['{ randomBytes } from node:crypto', 'node:fs'],
  'common/ids.ts': ['node:fs'],
  'worker/main.ts': [
    '../orchestrator/main.ts',
    '../cli/calls/client.ts',
    '#orchestrator/main.ts',
    'avtomatika-bot-runner/orchestrator/main.ts',
    'dockerode',
    '@grpc/grpc-js',
    '@grpc/grpc-js/build/src/channel.js',
    'node:sqlite',
  ],
  'worker/bots/converge.ts': ['node:fs', 'node:crypto', 'node:child_process', '../../orchestrator/main.ts'],
  'worker/bots/restart-policy.ts': ['node:fs', 'node:http'],
  'worker/runtime/process/a.ts': ['dockerode'],
  'worker/runtime/docker/a.ts': ['@grpc/grpc-js', '../../../orchestrator/main.ts'],
  'worker/session/a.ts': ['dockerode', '@connectrpc/connect-node', '../../orchestrator/main.ts'],
  'cli/commands/a.ts': ['../../worker/main.ts', '../../orchestrator/main.ts', '@connectrpc/connect-node', 'pino'],
  'cli/calls/client.ts': ['../worker/main.ts', '@grpc/grpc-js', '@connectrpc/connect-node'],
  'test/e2e/a.ts': ['dockerode', 'node:sqlite', 'pino'],
  'scripts/a.ts': ['dockerode', 'pino', 'clipanion'],
};

/** What is just outside a wall and allowed. */
const allowed: Record<string, readonly string[]> = {
  'common/log.ts': ['pino', 'node:fs'],
  'common/boot-id.ts': ['node:fs'],
  'common/ids.ts': ['node:crypto'],
  'common/seal.ts': ['node:crypto'],
  'common/a.ts': ['{ isIP } from node:net', './ids.ts', '#gen/botrunner/v1/bot_pb.js'],
  'common/a.test.ts': ['node:fs', 'vitest'],
  'orchestrator/core/a.ts': ['node:path', './quota.ts', '#common/ids.ts'],
  'orchestrator/store/a.ts': ['node:sqlite', 'node:fs'],
  'orchestrator/engine/engine.ts': ['node:timers', 'node:fs'],
  'orchestrator/engine/token-ownership.ts': ['{ createHash } from node:crypto', '{ createHmac } from node:crypto'],
  'orchestrator/server/a.ts': ['@connectrpc/connect-node', 'node:http', '../store/a.ts'],
  'worker/bots/converge.ts': ['./bot-state.ts', '../runtime/container-runtime.ts'],
  'worker/bots/a.ts': ['node:fs', '../session/a.ts'],
  'worker/runtime/docker/a.ts': ['dockerode', '../container-runtime.ts'],
  'worker/session/a.ts': ['@grpc/grpc-js'],
  'cli/commands/a.ts': ['clipanion', '../client.ts'],
  'cli/wire/a.ts': ['@connectrpc/connect-node'],
  'test/e2e/a.ts': ['@grpc/grpc-js', '@connectrpc/connect-node', '../../worker/main.ts', '../../cli/calls/client.ts'],
  'examples/bots/a.ts': ['@grpc/grpc-js'],
};

interface Report {
  readonly diagnostics: readonly {
    readonly category: string;
    readonly message: string;
    readonly location: { readonly path: string; readonly start: { readonly line: number } };
  }[];
}

/** Globals that a pure file must not touch; the same text in an impure neighbour may stand. */
const globals = [
  'process.env',
  'performance.now()',
  'crypto.randomUUID()',
  "console.log('')",
  "fetch('')",
  'globalThis',
  'setTimeout(() => {}, 1)',
  'setInterval(() => {}, 1)',
  'setImmediate(() => {})',
  'queueMicrotask(() => {})',
];
const pureFiles = [
  'orchestrator/core/global.ts',
  'orchestrator/store/workspace/global.ts',
  'orchestrator/engine/global.ts',
  'worker/bots/converge.ts',
  'common/global.ts',
];
const impureFiles = [
  'orchestrator/engine/engine.ts',
  'worker/bots/global.ts',
  'common/clock.ts',
  'orchestrator/core/global.test.ts',
];

/** "file:line" of every refused import, with Biome's message. Line n of a file holds its n-th import. */
const refusals = new Map<string, string>();
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'botrunner-walls-'));
  for (const name of ['biome.json', 'biome.walls.json', '.gitignore']) cpSync(checkoutPath(name), join(folder, name));
  for (const file of new Set([...Object.keys(refused), ...Object.keys(allowed), ...pureFiles, ...impureFiles])) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(
      join(folder, file),
      [...importsOf(file).map(statementOf), ...globalsOf(file).map((text) => `${text};\n`)].join(''),
    );
  }
  const rules = ['noRestrictedImports', 'noRestrictedGlobals'].map((rule) => `--only=style/${rule}`);
  const args = ['lint', ...rules, '--reporter=json', '--max-diagnostics=none'];
  const lint = spawnSync(checkoutPath('node_modules', '.bin', 'biome'), args, { cwd: folder, encoding: 'utf8' });
  // Biome promises no stable shape of this report; a new one fails here or below, never silently.
  const report = JSON.parse(lint.stdout) as Report;
  for (const { category, message, location } of report.diagnostics) {
    if (/^lint\/style\/noRestricted(?:Imports|Globals)$/.test(category))
      refusals.set(`${location.path}:${location.start.line}`, message);
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const importsOf = (file: string): string[] => [...(refused[file] ?? []), ...(allowed[file] ?? [])];

const globalsOf = (file: string): readonly string[] =>
  pureFiles.includes(file) || impureFiles.includes(file) ? globals : [];

const globalRefused = (file: string, text: string): string | undefined =>
  refusals.get(`${file}:${importsOf(file).length + globals.indexOf(text) + 1}`);

/** `a` and its place keep the names of one file apart. */
function statementOf(wanted: string, at: number): string {
  const [names, from] = wanted.includes(' from ') ? wanted.split(' from ') : [`* as a${at}`, wanted];
  return `import ${names} from '${from}';\n`;
}

const refusalOf = (file: string, specifier: string): string | undefined =>
  refusals.get(`${file}:${importsOf(file).indexOf(specifier) + 1}`);

const pairs = (table: Record<string, readonly string[]>): [string, string][] =>
  Object.entries(table).flatMap(([file, specifiers]) => specifiers.map((from): [string, string] => [file, from]));

describe('import walls', () => {
  it.each(pairs(refused))('%s may not import %s', (file, specifier) => {
    expect(refusalOf(file, specifier)).toMatch(/^(Only|Do not import from|This file is pure)/);
  });

  it.each(pairs(allowed))('%s may import %s', (file, specifier) => {
    expect(refusalOf(file, specifier)).toBeUndefined();
  });
});

describe('globals', () => {
  it.each(pureFiles.flatMap((file) => globals.map((text): [string, string] => [file, text])))(
    '%s may not touch %s',
    (file, text) => {
      expect(globalRefused(file, text)).toMatch(/global variable/);
    },
  );

  it.each(impureFiles)('%s may touch all of them', (file) => {
    expect(globals.filter((text) => globalRefused(file, text) !== undefined)).toEqual([]);
  });
});
