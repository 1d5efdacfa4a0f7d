/** What the step `unused` looks for: exports, settings and error codes that nobody uses. */
import { execFileSync } from 'node:child_process';
import { problemCodes } from '#common/problem-codes.ts';
import { orchestratorVariables } from '../../orchestrator/settings.ts';
import { workerVariables } from '../../worker/config.ts';
import { checkout } from '../process/checkout.ts';
import { readHouse } from '../structure/house.ts';
import { parseFile } from '../structure/imports.ts';
import { unreadSettings, unusedCodes, unusedExports } from '../structure/unused.ts';

// Started, published or asked for by a name that no import has.
const entries =
  /^(?:cli\/commands\/|cli\/main|[a-z]+\/main\.ts|[a-z]+\/health-check\.ts|orchestrator\/core\/validate\/validator\.ts)/;
// Declared to be refused.
const reservedSettings: readonly string[] = ['databaseUrl'];
// Say something of every code, whether anybody is refused with it or not.
const aboutCodes = /^common\/problem-(?:codes|examples)\.ts$|^cli\/render\/(?:hints|examples)\.ts$/;

/** A line for each. */
export function unused(): readonly string[] {
  const { files } = readHouse(checkout);
  const names = execFileSync(
    'git',
    ['-C', checkout, 'ls-files', '--cached', '--others', '--exclude-standard', '*.ts'],
    {
      encoding: 'utf8',
    },
  );
  const others = names
    .split('\n')
    .filter(
      (path) => /^(?:test|scripts|bench|examples)\/|\.test\.ts$|\/testing\//.test(path) && !path.endsWith('.d.ts'),
    );
  const users = [...files, ...others.map((path) => parseFile(checkout, path))];
  const settings = (program: string, variables: object) =>
    unreadSettings(
      Object.keys(variables),
      files.filter(({ path }) => path.startsWith(`${program}/`)),
    )
      .filter((key) => !reservedSettings.includes(key))
      .map((key) => `${program}/config.ts declares the setting ${key}, which nobody reads`);
  return [
    ...unusedExports(files, users, (path) => entries.test(path)),
    ...settings('orchestrator', orchestratorVariables),
    ...settings('worker', workerVariables),
    ...unusedCodes(
      Object.keys(problemCodes),
      files.filter(({ path }) => !aboutCodes.test(path)),
    ).map((code) => `common/problem-codes.ts has ${code}, with which nothing is refused`),
  ];
}
