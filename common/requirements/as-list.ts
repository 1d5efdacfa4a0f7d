/** Requirements files that say no more than a list of packages, which every worker knows. Pure. */
import { readPackageJson } from './package-json.ts';
import { pipLines } from './pip-text.ts';
import { isPlainRequirement } from './plain.ts';

/** As many as a request may list. */
const requirementsMax = 200;

/** The packages, one item each; undefined where the installer has to read the file itself. */
export function asList(path: string, text: string): readonly string[] | undefined {
  const name = path.split('/').at(-1) ?? path;
  if (name === 'pyproject.toml' || name === 'setup.py') return undefined;
  if (name === 'package.json') {
    const read = readPackageJson(text, path);
    return read.ok && read.value.isPlain ? shortEnough(read.value.requirements) : undefined;
  }
  const items = pipLines(text).map((line) => line.text);
  return items.every((item) => isPlainRequirement(item, 'python')) ? shortEnough(items) : undefined;
}

const shortEnough = (items: readonly string[]) => (items.length <= requirementsMax ? items : undefined);
