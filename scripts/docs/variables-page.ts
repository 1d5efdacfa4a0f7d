/** docs/CONFIGURATION.md, from the variables that the programs declare. */
import type { VariableSet } from '#common/env-config.ts';
import { code, table } from './markdown.ts';

export interface ProgramVariables {
  /** As a heading. */
  readonly program: string;
  readonly variables: VariableSet;
}

export function variablesPage(programs: readonly ProgramVariables[]): string {
  return `# Configuration

<!-- Written by "npm run docs" from the declarations in the programs. -->

The programs read environment variables, once, at their start. An empty value counts as not set. Wrong values are all
named at once, and nothing is half started. Values of secrets are never printed. Paths may be relative to the folder that a
program is started in (with npm, the checkout), and may begin with \`~/\`.

${programs.map(section).join('\n')}`;
}

const section = ({ program, variables }: ProgramVariables): string => `## ${program}

${table(
  ['Variable', 'Default', 'Meaning'],
  Object.values(variables).map(({ name, aliases = [], shownDefault, doc }) => [
    [name, ...aliases].map(code).join(' or '),
    shownDefault,
    doc,
  ]),
)}
`;
