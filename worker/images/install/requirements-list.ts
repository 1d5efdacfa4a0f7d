/**
 * Plain requirements as the file that the package installer reads. The orchestrator has checked them; they are checked again
 * here, because a line too many in that file would be an option to the installer.
 */

import type { Language } from '#common/language.ts';
import { fail, ok, problem, type Result } from '#common/problem.ts';

export interface RequirementsFile {
  readonly name: string;
  readonly content: string;
}

// Printable text on one line; not an option, no path, no continued line.
const pythonPattern = /^[A-Za-z0-9][^\u0000-\u001f\u007f-\u009f\u2028\u2029\\/]*$/;
const nodePattern = /^((?:@[a-z0-9][a-z0-9._~-]*\/)?[a-z0-9][a-z0-9._~-]*)(?:@([A-Za-z0-9.*+^~<>=| -]+))?$/;

const refused = (index: number): { readonly ok: false; readonly problem: ReturnType<typeof problem> } =>
  fail(
    problem('INVALID_REQUIREMENTS', `Requirement number ${index + 1} is not a plain requirement.`, {
      details: { field: 'requirements', index },
    }),
  );

/** The file for the installer; undefined when there is nothing to install. */
export function requirementsFile(
  language: Language,
  requirements: readonly string[],
): Result<RequirementsFile | undefined> {
  if (requirements.length === 0) return ok(undefined);
  return language === 'python' ? pythonFile(requirements) : nodeFile(requirements);
}

function pythonFile(requirements: readonly string[]): Result<RequirementsFile> {
  const bad = requirements.findIndex((item) => !pythonPattern.test(item));
  if (bad >= 0) return refused(bad);
  return ok({ name: 'requirements.txt', content: requirements.map((item) => `${item}\n`).join('') });
}

/** package.json instead of arguments: neither npm nor a shell can take a name in a JSON file for anything else. */
function nodeFile(requirements: readonly string[]): Result<RequirementsFile> {
  const dependencies = new Map<string, string>();
  for (const [index, item] of requirements.entries()) {
    const match = nodePattern.exec(item);
    if (!match?.[1]) return refused(index);
    dependencies.set(match[1], match[2]?.trim() || 'latest');
  }
  const content = { name: 'bot', private: true, dependencies: Object.fromEntries(dependencies) };
  return ok({ name: 'package.json', content: `${JSON.stringify(content, null, 2)}\n` });
}
