/** How a package.json says that its program is started. Pure. */

export interface PackageStart {
  /** scripts.start; undefined without one. */
  readonly script: string | undefined;
  /** The package that its program comes from, if that is for developers only: it is not installed. */
  readonly absentProgram: string | undefined;
  readonly main: string | undefined;
  /** Whether npm would run another script before it. */
  readonly hasPrestart: boolean;
}

const nothing: PackageStart = { script: undefined, absentProgram: undefined, main: undefined, hasPrestart: false };
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Finds nothing in what is not a valid package.json: the code that reads its packages reports what is wrong with it. */
export function readPackageStart(text: string): PackageStart {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    return nothing;
  }
  if (!isObject(parsed)) return nothing;
  const scripts = isObject(parsed['scripts']) ? parsed['scripts'] : {};
  const start = scripts['start'];
  const script = typeof start === 'string' && start.trim() !== '' ? start.trim() : undefined;
  const main = typeof parsed['main'] === 'string' ? parsed['main'].replace(/^(?:\.\/)+/, '') : undefined;
  const hasPrestart = typeof scripts['prestart'] === 'string';
  return { script, absentProgram: script && absentProgram(script, parsed), main, hasPrestart };
}

/** Programs whose package has another name. */
const packageOf: Readonly<Record<string, string>> = { tsc: 'typescript' };

function absentProgram(script: string, { dependencies, devDependencies }: Readonly<Record<string, unknown>>) {
  const word = script.split(/\s+/).find((each) => !/^[A-Za-z_]\w*=/.test(each) && each !== 'exec' && each !== 'npx');
  const name = packageOf[word ?? ''] ?? word ?? '';
  const has = (list: unknown) => isObject(list) && Object.hasOwn(list, name);
  return has(devDependencies) && !has(dependencies) ? name : undefined;
}
