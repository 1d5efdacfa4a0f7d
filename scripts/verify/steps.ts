/** What `npm run verify` checks, each step on its own, offline. */
import { readFileSync } from 'node:fs';
import { biomeWalls, commandSpecs, pages } from '../generated/files.ts';
import { stale } from '../generated/write.ts';
import { type LockFile, lockMistakes } from '../lock/lock-file.ts';
import { checkout, checkoutPath } from '../process/checkout.ts';
import { run } from '../process/run.ts';
import { structureFaults } from '../structure/faults.ts';
import { staleGenerated } from './stale-generated.ts';
import { unused } from './unused.ts';

export interface Step {
  /** One word for --only and --skip. */
  readonly name: string;
  /** What it holds true, for people. */
  readonly holds: string;
  /** What to do when it fails. */
  readonly cure: string;
  /** What is wrong, ready to be shown; empty when all is well. */
  readonly check: (signal: AbortSignal) => Promise<string>;
}

const tool =
  (name: string, ...args: readonly string[]) =>
  async (signal: AbortSignal): Promise<string> => {
    const ended = await run(name, args, { signal });
    return ended.code === 0 ? '' : ended.output || `${name} ended with code ${ended.code}`;
  };

export const steps: readonly Step[] = [
  {
    name: 'lock',
    holds: 'package-lock.json is complete and fits package.json',
    cure: 'npm install && npm run complete-lock',
    check: async () => lockMistakes(json('package-lock.json') as LockFile, json('package.json') as object).join('\n'),
  },
  {
    name: 'walls',
    holds: 'biome.walls.json has the walls of scripts/walls/walls.ts',
    cure: 'npm run generate',
    check: async (signal) => (await stale([biomeWalls], signal)).join('\n'),
  },
  {
    name: 'biome',
    holds: 'format, lint and import walls',
    cure: 'npm run format fixes most; fix the rest by hand',
    check: tool('biome', 'check', '--error-on-warnings', '.'),
  },
  {
    name: 'rooms',
    holds: 'no circles, no arrows up between rooms, pure files are pure, one name means one thing',
    cure: 'see scripts/walls/rooms.ts for the table; `npm run structure` shows the whole picture',
    check: async () => structureFaults(checkout).join('\n'),
  },
  {
    name: 'unused',
    holds: 'every export, setting and error code is used by somebody',
    cure: 'remove it, or take the word export off',
    check: async () => unused().join('\n'),
  },
  { name: 'types', holds: 'the types of every file', cure: 'fix by hand', check: tool('tsc', '-p', '.') },
  { name: 'proto-lint', holds: 'style and comments of proto/', cure: 'fix by hand', check: tool('buf', 'lint') },
  {
    name: 'proto-format',
    holds: 'format of proto/',
    cure: 'npm run format',
    check: tool('buf', 'format', '--diff', '--exit-code'),
  },
  {
    name: 'proto-breaking',
    holds: 'proto/ keeps what the last release promised',
    cure: 'take the change back, or add a new field or message beside the old one; see scripts/release-proto.ts',
    check: tool('buf', 'breaking', '--against', 'proto/released.binpb'),
  },
  {
    name: 'gen',
    holds: 'gen/ is what proto/ generates',
    cure: 'npm run generate',
    check: staleGenerated,
  },
  {
    name: 'commands',
    holds: 'cli/command-specs.json is what the classes of the commands say',
    cure: 'npm run generate',
    check: async (signal) => (await stale([commandSpecs], signal)).join('\n'),
  },
  {
    name: 'docs',
    holds: 'the generated pages of docs/ are those of the code',
    cure: 'npm run docs',
    check: async (signal) => (await stale(pages, signal)).join('\n'),
  },
];

const json = (path: string): unknown => JSON.parse(readFileSync(checkoutPath(path), 'utf8'));
