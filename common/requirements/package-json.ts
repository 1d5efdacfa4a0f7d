/** The packages that a package.json asks for, and whether a list of them says the same. Pure. */
import { fail, ok, problem, type Result } from '../problem.ts';
import { isPlainRequirement } from './plain.ts';

export interface PackageJson {
  /** `dependencies` as name@range; what only developers need is left out. */
  readonly requirements: readonly string[];
  /** True: a list of packages says all that npm would do with this file. */
  readonly isPlain: boolean;
  /** True: it names folders or archives of the bot itself. */
  readonly needsSource: boolean;
  /** Scripts that npm would run when it installs. */
  readonly hooks: readonly string[];
}

/** Fields beside `dependencies` that decide what npm installs. */
const otherFields = [
  'optionalDependencies',
  'peerDependencies',
  'overrides',
  'workspaces',
  'bundleDependencies',
  'bundledDependencies',
];

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `name` as the user knows the file. */
export function readPackageJson(content: string, name: string): Result<PackageJson> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(content.replace(/^\uFEFF/, ''));
  } catch {
    // Its message would quote the file.
    return refused(`${name} is not JSON.`);
  }
  if (!isObject(parsed)) return refused(`${name} is not a JSON object.`);
  const dependencies = parsed['dependencies'] ?? {};
  if (!isObject(dependencies)) return refused(`"dependencies" of ${name} is not an object.`);
  const requirements: string[] = [];
  let needsSource = parsed['workspaces'] !== undefined;
  for (const [packageName, range] of Object.entries(dependencies)) {
    if (typeof range !== 'string') return refused(`The version of a dependency in ${name} is not text.`);
    if (isLocal(range)) needsSource = true;
    requirements.push(range.trim() === '' ? packageName : `${packageName}@${range.trim()}`);
  }
  const optional = parsed['optionalDependencies'];
  if (isObject(optional))
    needsSource ||= Object.values(optional).some((range) => typeof range === 'string' && isLocal(range));
  const isPlain =
    !otherFields.some((field) => parsed[field] !== undefined) &&
    requirements.every((item) => isPlainRequirement(item, 'node'));
  const scripts = isObject(parsed['scripts']) ? parsed['scripts'] : {};
  const hooks = needsSource
    ? []
    : ['preinstall', 'install', 'postinstall'].filter((hook) => typeof scripts[hook] === 'string');
  return ok({ requirements, isPlain, needsSource, hooks });
}

/** As npm decides it: a folder or an archive by its prefix or its path. */
const isLocal = (range: string): boolean => /^(?:file:|link:|workspace:|\.{1,2}(?:\/|$)|~\/|\/)/.test(range.trim());

/**
 * The same file without scripts, as it is installed from apart from the bot's code: what they call is not there. npm compares
 * nothing of them with a lock file.
 */
export function withoutScripts(content: string): string {
  const parsed: unknown = JSON.parse(content.replace(/^\uFEFF/, ''));
  if (!isObject(parsed)) return content;
  const { scripts: _, ...rest } = parsed;
  return `${JSON.stringify(rest, null, 2)}\n`;
}

const refused = (message: string) =>
  fail(problem('INVALID_REQUIREMENTS', message, { hint: 'Write, for example, "dependencies": {"grammy": "^1.30"}.' }));
