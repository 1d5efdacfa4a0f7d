/**
 * Makes the fixtures of diagnoses again: real programs and libraries, run against servers on the loopback.
 *
 *     npm run diagnoses:regenerate              all of them
 *     npm run diagnoses:regenerate -- aiogram   those whose name begins so
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatFixture } from '../fixture.ts';
import { buildScenarios } from './build-scenarios.ts';
import { dockerScenarios } from './docker-scenarios.ts';
import { libraryScenarios } from './library-scenarios.ts';
import { nodeScenarios } from './node-scenarios.ts';
import { pythonScenarios } from './python-scenarios.ts';
import { shellScenarios } from './shell-scenarios.ts';
import { openWorkshop } from './workshop.ts';

const all = [
  ...pythonScenarios,
  ...shellScenarios,
  ...nodeScenarios,
  ...libraryScenarios,
  ...buildScenarios,
  ...dockerScenarios,
];
const wanted = process.argv.slice(2);
const root = join(import.meta.dirname, '..');

const chosen = all.filter(({ name }) => wanted.length === 0 || wanted.some((start) => name.startsWith(start)));
const workshop = await openWorkshop(chosen.some(({ docker }) => docker === true));
let failed = 0;
try {
  for (const scenario of chosen) {
    try {
      const { output, exitCode, versions, command } = await workshop.run(scenario);
      const folder = join(root, scenario.unseen ? 'unseen' : 'fixtures');
      await mkdir(folder, { recursive: true });
      const { name, kind } = scenario;
      const files = Object.keys(scenario.files ?? {});
      const origin = 'npm run diagnoses:regenerate';
      await writeFile(
        join(folder, `${name}.txt`),
        formatFixture({ kind, command, versions, exitCode, files, origin, output }),
      );
      console.log(`${name}: ${output.trimEnd().split('\n').length} lines, exit code ${exitCode}`);
    } catch (error) {
      failed += 1;
      console.error(`${scenario.name} could not be made: ${error instanceof Error ? error.message : error}`);
    }
  }
} finally {
  await workshop.close();
}
process.exitCode = failed === 0 ? 0 : 1;
