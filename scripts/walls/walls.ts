/**
 * The import walls of the project, written into biome.json (`overrides`) by scripts/generate.ts.
 *
 * Biome takes the options of one rule from the last override that matches a file and does not merge them, so every
 * override has to state all walls of its files. That repetition is made here, from three short tables.
 * To add a wall: add it to a table, run `npm run generate`, add a line to test/house/walls.test.ts.
 */

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

/** What reads the world; pure files get what it says as input. */
const worldly = ['fs', 'fs/promises', 'child_process', 'http', 'http2', 'https', 'tls', 'dgram', 'dns', 'dns/promises'];

/** Pure functions of modules that otherwise do I/O. */
const harmlessNames: Readonly<Record<string, readonly string[]>> = { 'node:net': ['isIP', 'isIPv4', 'isIPv6'] };

interface Area {
  readonly files: readonly string[];
  /** The programs that files here may import; their own among them. */
  readonly programs: readonly Program[];
  /** The packages of the table above that files here may import. */
  readonly packages?: readonly Package[];
  readonly pure?: true;
}

/** From wide to narrow: the last one that matches a file holds. */
const areas: readonly Area[] = [
  // Examples are users' code: they import what a user would.
  { files: ['**', '!examples/**'], programs },
  { files: ['common/**'], programs: [] },
  { files: ['common/**', '!**/*.test.ts'], programs: [], pure: true },
  { files: ['common/log.ts'], programs: [], packages: ['pino'] },
  { files: ['orchestrator/**'], programs: ['orchestrator'] },
  { files: ['orchestrator/core/**', '!**/*.test.ts'], programs: ['orchestrator'], pure: true },
  { files: ['orchestrator/store/**'], programs: ['orchestrator'], packages: ['node:sqlite'] },
  { files: ['orchestrator/events/nats/**'], programs: ['orchestrator'], packages: ['nats'] },
  { files: ['orchestrator/server/**'], programs: ['orchestrator'], packages: ['@connectrpc/connect-node'] },
  { files: ['worker/**'], programs: ['worker'] },
  {
    files: [
      'worker/bots/converge.ts',
      'worker/bots/restart-policy.ts',
      'worker/diagnosis/causes.ts',
      'worker/diagnosis/diagnosis.ts',
      'worker/diagnosis/own-modules.ts',
      'worker/diagnosis/*-packages.ts',
      'worker/diagnosis/rules/**',
      'worker/diagnosis/preflight.ts',
    ],
    programs: ['worker'],
    pure: true,
  },
  { files: ['worker/runtime/docker/**'], programs: ['worker'], packages: ['dockerode'] },
  { files: ['worker/session/**'], programs: ['worker'], packages: ['@grpc/grpc-js'] },
  { files: ['cli/**'], programs: ['cli'], packages: ['clipanion'] },
  { files: ['cli/wire/**'], programs: ['cli'], packages: ['clipanion', '@connectrpc/connect-node'] },
  { files: ['test/**', 'bench/**'], programs, packages: ['@grpc/grpc-js', '@connectrpc/connect-node', 'nats'] },
];

/** The `overrides` of biome.json. */
export const biomeOverrides = (): unknown[] =>
  areas.map((area) => ({
    includes: area.files,
    linter: { rules: { style: { noRestrictedImports: { level: 'error', options: optionsOf(area) } } } },
  }));

function optionsOf(area: Area): unknown {
  const foreign = programs.filter((program) => !area.programs.includes(program));
  const kept = Object.entries(packages).filter(([name]) => !area.packages?.some((allowed) => allowed === name));
  const pure = area.pure === true;
  return {
    paths: Object.fromEntries([
      ...kept.map(([name, place]) => [name, `Only ${place} may import ${name}.`]),
      ...(pure ? worldly.map((name) => [`node:${name}`, pureMessage]) : []),
      ...(pure ? Object.entries(harmlessNames).map(([name, allowed]) => [name, onlyNames(allowed)]) : []),
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

const pureMessage = 'This file is pure: pass in whatever it needs.';
const onlyNames = (allowImportNames: readonly string[]) => ({ allowImportNames, message: pureMessage });
