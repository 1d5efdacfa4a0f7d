/**
 * The walls that Biome holds, written into biome.walls.json by scripts/generate.ts: who may import what, and which globals a pure
 * file may not touch. Those between rooms are scripts/structure/ with the table in rooms.ts.
 *
 * Biome takes the options of one rule from the last override that matches a file and does not merge them, so every
 * override has to state all walls of its files. That repetition is made here, from three short tables.
 * To add a wall: add it to a table, run `npm run generate`, add a line to test/house/walls.test.ts.
 */

import { hashes, hashing, impureFiles, pureFiles } from './rooms.ts';

const programs = ['orchestrator', 'worker', 'cli'] as const;
type Program = (typeof programs)[number];

/** Packages that one place of ours stands in front of, and that place. */
const packages = {
  dockerode: 'worker/runtime/docker',
  '@grpc/grpc-js': 'worker/session and test',
  'node:sqlite': 'orchestrator/store',
  clipanion: 'cli',
  nats: 'orchestrator/events/nats and test',
  pino: 'common/log.ts',
  '@connectrpc/connect-node': 'orchestrator/server, cli/wire and test',
} as const;
type Package = keyof typeof packages;

/** What reads the world: not for common/, which both programs and every test rest on. */
const worldly = ['fs', 'fs/promises', 'child_process', 'http', 'http2', 'https', 'tls', 'dgram', 'dns', 'dns/promises'];

/** What a pure file does not touch besides. */
const impureModules = [
  'crypto',
  'os',
  'process',
  'timers',
  'timers/promises',
  'perf_hooks',
  'worker_threads',
  'vm',
  'v8',
];

/** Globals by which a file would read the clock, chance or the process, or act on the world. */
const impureGlobals = [
  'process',
  'performance',
  'crypto',
  'console',
  'fetch',
  'globalThis',
  'global',
  'navigator',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'WebSocket',
  'EventSource',
  'BroadcastChannel',
  'require',
];

/** Pure functions of modules that otherwise do I/O. */
const harmlessNames: Readonly<Record<string, readonly string[]>> = {
  'node:net': ['isIP', 'isIPv4', 'isIPv6', 'BlockList'],
};

interface Area {
  readonly files: readonly string[];
  /** The programs that files here may import; their own among them. */
  readonly programs: readonly Program[];
  /** The packages of the table above that files here may import. */
  readonly packages?: readonly Package[];
  /** `no I/O`: imports nothing that reads the world. `pure`: see rooms.ts. */
  readonly purity?: 'no I/O' | 'pure';
  /** Names that files here may take from node:crypto, pure as they are. */
  readonly hashes?: readonly string[];
}

const impureIn = (place: string): readonly string[] =>
  Object.keys(impureFiles).filter((file) => file.startsWith(`${place}/`));

/** The pure files of one place, and those that its patterns would take in by mistake. */
const pureAreas = (place: string, allowed: readonly Program[]): readonly Area[] => [
  {
    files: [...pureFiles.filter((file) => file.startsWith(`${place}/`)), '!**/*.test.ts'],
    programs: allowed,
    purity: 'pure',
  },
  ...(place === 'common'
    ? [{ files: [...impureIn(place), hashes], programs: allowed, purity: 'no I/O' } as const]
    : impureIn(place).length > 0
      ? [{ files: impureIn(place), programs: allowed } as const]
      : []),
];

/** The areas from wide to narrow: the last one that matches a file holds. */
const areas: readonly Area[] = [
  // Examples are users' code: they import what a user would.
  { files: ['**', '!examples/**'], programs },
  { files: ['common/**'], programs: [] },
  { files: ['common/**', '!**/*.test.ts'], programs: [], purity: 'no I/O' },
  ...pureAreas('common', []),
  { files: ['common/log.ts'], programs: [], packages: ['pino'] },
  // Both programs have a monotonic clock to name, and nothing else here knows the machine.
  { files: ['common/boot-id.ts'], programs: [] },
  { files: ['orchestrator/**'], programs: ['orchestrator'] },
  { files: ['orchestrator/store/**'], programs: ['orchestrator'], packages: ['node:sqlite'] },
  { files: ['orchestrator/events/nats/**'], programs: ['orchestrator'], packages: ['nats'] },
  { files: ['orchestrator/server/**'], programs: ['orchestrator'], packages: ['@connectrpc/connect-node'] },
  ...pureAreas('orchestrator', ['orchestrator']),
  { files: hashing, programs: ['orchestrator'], purity: 'pure', hashes: ['createHash', 'createHmac'] },
  { files: ['worker/**'], programs: ['worker'] },
  { files: ['worker/runtime/docker/**'], programs: ['worker'], packages: ['dockerode'] },
  { files: ['worker/session/**'], programs: ['worker'], packages: ['@grpc/grpc-js'] },
  ...pureAreas('worker', ['worker']),
  { files: ['cli/**'], programs: ['cli'], packages: ['clipanion'] },
  { files: ['cli/wire/**'], programs: ['cli'], packages: ['clipanion', '@connectrpc/connect-node'] },
  { files: ['test/**', 'bench/**'], programs, packages: ['@grpc/grpc-js', '@connectrpc/connect-node', 'nats'] },
];

/** The `overrides` of biome.walls.json. */
export const biomeOverrides = (): unknown[] =>
  areas.map((area) => ({
    includes: area.files,
    linter: {
      rules: {
        style: {
          noRestrictedImports: { level: 'error', options: optionsOf(area) },
          noRestrictedGlobals: globalsIn(area),
        },
      },
    },
  }));

const pureMessage = 'This file is pure: pass in whatever it needs.';
const deniedGlobals = Object.fromEntries(impureGlobals.map((name) => [name, pureMessage]));

// Turned off without options, it would still inherit those of a wider area when this rule is run alone.
const globalsIn = ({ purity }: Area): unknown =>
  purity === 'pure' ? { level: 'error', options: { deniedGlobals } } : { level: 'off', options: { deniedGlobals: {} } };

function optionsOf(area: Area): unknown {
  const foreign = programs.filter((program) => !area.programs.includes(program));
  const kept = Object.entries(packages).filter(([name]) => !area.packages?.some((allowed) => allowed === name));
  const closed = [...(area.purity ? worldly : []), ...(area.purity === 'pure' ? impureModules : [])].filter(
    (name) => name !== 'crypto' || area.hashes === undefined,
  );
  return {
    paths: Object.fromEntries([
      ...kept.map(([name, place]) => [name, `Only ${place} may import ${name}.`]),
      ...closed.map((name) => [`node:${name}`, pureMessage]),
      ...(area.hashes ? [['node:crypto', onlyNames(area.hashes)]] : []),
      ...(area.purity ? Object.entries(harmlessNames).map(([name, allowed]) => [name, onlyNames(allowed)]) : []),
    ]),
    patterns: [
      { group: kept.map(([name]) => `${name}/**`), message: 'Only the place that may import the package may do this.' },
      ...foreign.map((program) => ({
        group: [`**/${program}/**`, `#${program}/**`],
        message: `Do not import from the program ${program}: share code in common/, or communicate through proto/.`,
      })),
    ],
  };
}

const onlyNames = (allowImportNames: readonly string[]) => ({ allowImportNames, message: pureMessage });
