/** Files that are written from other files and committed, and what each should hold now. */
import { plainText } from '#common/env-config.ts';
import { readCommandSpecs } from '../../cli/commands/catalogue.ts';
import { defaultUrl } from '../../cli/options/settings.ts';
import { orchestratorVariables } from '../../orchestrator/settings.ts';
import { workerVariables } from '../../worker/config.ts';
import { cliPage } from '../docs/cli-page.ts';
import { errorsPage } from '../docs/errors-page.ts';
import { variablesPage } from '../docs/variables-page.ts';
import { biomeWalls as wantedBiomeWalls } from '../walls/biome-walls.ts';

export interface GeneratedFile {
  /** Relative to the checkout. */
  readonly path: string;
  /** What it should hold. */
  readonly wanted: (signal: AbortSignal) => Promise<string>;
}

// cli/options/settings.ts reads these together with the options of the same meaning, which win.
const cliVariables = {
  url: plainText({ name: 'AVTOMATIKA_URL', doc: 'Address of the orchestrator; --url overrides it.' }, defaultUrl),
  token: plainText({ name: 'AVTOMATIKA_TOKEN', doc: 'Your token; --token overrides it.' }, undefined),
};

export const pages: readonly GeneratedFile[] = [
  { path: 'docs/CLI.md', wanted: cliPage },
  { path: 'docs/ERRORS.md', wanted: async () => errorsPage() },
  {
    path: 'docs/CONFIGURATION.md',
    wanted: async () =>
      variablesPage([
        { program: 'Orchestrator', variables: orchestratorVariables },
        { program: 'Worker', variables: workerVariables },
        { program: 'Command line', variables: cliVariables },
      ]),
  },
];

/** What the CLI knows of its commands before it has loaded one. */
export const commandSpecs: GeneratedFile = {
  path: 'cli/command-specs.json',
  wanted: async () => `${JSON.stringify(await readCommandSpecs(), null, 2)}\n`,
};

export const biomeWalls: GeneratedFile = { path: 'biome.walls.json', wanted: async () => wantedBiomeWalls() };
