/** The packages that a package.json asks for. Pure. */
import { fail, ok, problem, type Result } from '#common/problem.ts';

/** `dependencies` as name@range; what only developers need is left out. `name` as the user knows the file. */
export function readPackageJson(content: string, name: string): Result<readonly string[]> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(content.replace(/^\uFEFF/, ''));
  } catch {
    // Its message would quote the file.
    return refused(`${name} is not JSON.`);
  }
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject(parsed)) return refused(`${name} is not a JSON object.`);
  const dependencies = parsed['dependencies'] ?? {};
  if (!isObject(dependencies)) return refused(`"dependencies" of ${name} is not an object.`);
  const requirements: string[] = [];
  for (const [packageName, range] of Object.entries(dependencies)) {
    if (typeof range !== 'string') return refused(`The version of a dependency in ${name} is not text.`);
    requirements.push(range.trim() === '' ? packageName : `${packageName}@${range.trim()}`);
  }
  return ok(requirements);
}

const refused = (message: string) =>
  fail(problem('INVALID_REQUIREMENTS', message, { hint: 'Write, for example, "dependencies": {"grammy": "^1.30"}.' }));
