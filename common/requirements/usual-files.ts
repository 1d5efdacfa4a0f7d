/** Which of a bot's files lists what to install, when nothing is requested; and which others people may expect to. Pure. */

export interface UsualFiles {
  /** Files to install from, the first one the chief of them; none when no file says it. */
  readonly files: readonly string[];
  /** Sentences about files that are not used, for people. */
  readonly notes: readonly string[];
}

export interface UsualInput {
  /** All paths of the bot's files. */
  readonly paths: readonly string[];
  /** The folder that counts as the bot's own, with "/" at its end; empty for the root. */
  readonly folder: string;
  readonly language: 'python' | 'node';
  /** The text of `pyproject.toml` in that folder, if it is there. */
  readonly pyproject: string | undefined;
}

export function usualFiles(input: UsualInput): UsualFiles {
  const names = input.paths
    .filter((path) => path.startsWith(input.folder))
    .map((path) => path.slice(input.folder.length));
  const { files, notes } = input.language === 'python' ? pythonFiles(names, input.pyproject) : nodeFiles(names);
  return { files: files.map((name) => `${input.folder}${name}`), notes };
}

function pythonFiles(names: readonly string[], pyproject: string | undefined): UsualFiles {
  const there = new Set(names);
  const alike = names.filter((name) => name.toLowerCase() === 'requirements.txt');
  const plain = there.has('requirements.txt') ? 'requirements.txt' : alike.length === 1 ? alike[0] : undefined;
  if (plain !== undefined) return { files: [plain], notes: [] };
  if (alike.length > 1) return { files: [], notes: [several(alike)] };
  const project = projectOf(pyproject);
  if (project === 'standard') return { files: ['pyproject.toml'], notes: lockNotes(there, 'pyproject.toml') };
  const inFolder = names.filter((name) => /^requirements\/[^/]+\.txt$/i.test(name));
  const usual = ['prod', 'production', 'requirements', 'base', 'main', 'common', 'default']
    .map((stem) => inFolder.find((name) => name.toLowerCase() === `requirements/${stem}.txt`))
    .find((name) => name !== undefined);
  const folder = usual ?? (inFolder.length === 1 ? inFolder[0] : undefined);
  if (folder !== undefined) return { files: [folder], notes: [] };
  if (inFolder.length > 1) return { files: [], notes: [several(inFolder)] };
  if (there.has('requirements.in')) return { files: ['requirements.in'], notes: [] };
  const setup = ['setup.py', 'setup.cfg'].find((name) => there.has(name));
  if (setup === 'setup.py') return { files: ['setup.py'], notes: [] };
  if (project === 'poetry') {
    return {
      files: [],
      notes: [
        unused(
          'pyproject.toml',
          'poetry export -f requirements.txt -o requirements.txt',
          'has its packages for Poetry alone',
        ),
      ],
    };
  }
  const foreign = foreignFiles.find(([name]) => there.has(name));
  if (foreign !== undefined) return { files: [], notes: [unused(foreign[0], foreign[1])] };
  return { files: [], notes: names.filter(seemsRequirements).slice(0, 1).map(otherName) };
}

/** A list under a name of its own; those of tools that only developers need are left alone. */
const seemsRequirements = (name: string): boolean =>
  /^(?:reqs?|requirements?|require|deps|dependenc(?:y|ies)|packages)(?:[-_.][\w-]{1,40})?\.(?:txt|in)$/i.test(name) &&
  !/dev|test|lint|doc|ci\b/i.test(name);

const otherName = (name: string): string =>
  `${name} is not called requirements.txt, and nothing is installed from it: give it with -r`;

/** What pip does not read, and the command that makes of it what pip reads. */
const foreignFiles: readonly (readonly [string, string])[] = [
  ['Pipfile', 'pipenv requirements > requirements.txt'],
  ['Pipfile.lock', 'pipenv requirements > requirements.txt'],
  ['poetry.lock', 'poetry export -f requirements.txt -o requirements.txt'],
  ['uv.lock', 'uv export --format requirements-txt > requirements.txt'],
  ['pdm.lock', 'pdm export -o requirements.txt'],
  ['environment.yml', 'pip list --format=freeze > requirements.txt'],
  ['environment.yaml', 'pip list --format=freeze > requirements.txt'],
];

/** For a file that looks like one to install from: who does not read it, and how to turn it into one that is read. */
export function exportCommandOf(name: string): { readonly reader: string; readonly command: string } | undefined {
  const [, command] = foreignFiles.find(([each]) => each === name) ?? [];
  if (command !== undefined) return { reader: 'pip', command };
  return foreignLocks.includes(name) ? { reader: 'npm', command: 'npm install --package-lock-only' } : undefined;
}

/** Exact versions that somebody chose, and that are not the ones that will be installed. */
function lockNotes(there: ReadonlySet<string>, used: string): readonly string[] {
  const lock = foreignFiles.find(([name]) => name.endsWith('.lock') && there.has(name));
  return lock === undefined
    ? []
    : [`${lock[0]} is not used: the newest versions that ${used} allows are installed. For its own: ${lock[1]}`];
}

const unused = (name: string, command: string, why = 'is nothing that pip reads'): string =>
  `${name} ${why}, and no packages are installed from it. Run: ${command}`;

const several = (names: readonly string[]): string =>
  `None of ${names.slice(0, 5).join(', ')} is installed from: say which one with -r`;

/** By its tables alone; the build reads it as TOML. */
function projectOf(text: string | undefined): 'standard' | 'poetry' | undefined {
  if (text === undefined) return undefined;
  const tables = tablesOf(text);
  if (tables.some((line) => /^\[\s*project\s*\]/.test(line) || /^project\s*[.=]/.test(line))) return 'standard';
  return tables.some((line) => /^\[\s*tool\s*\.\s*poetry\b/.test(line)) ? 'poetry' : undefined;
}

const tablesOf = (toml: string): readonly string[] => toml.split('\n').map((line) => line.trim());

const foreignLocks = ['yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb'];

function nodeFiles(names: readonly string[]): UsualFiles {
  const there = new Set(names);
  if (!there.has('package.json')) return { files: [], notes: [] };
  const lock = ['npm-shrinkwrap.json', 'package-lock.json'].find((name) => there.has(name));
  const foreign = foreignLocks.find((name) => there.has(name));
  return {
    files: ['package.json', ...(lock === undefined ? [] : [lock]), ...(there.has('.npmrc') ? ['.npmrc'] : [])],
    notes:
      lock === undefined && foreign !== undefined
        ? [
            `${foreign} is not used: npm installs the newest versions that package.json allows. For exact ones: npm install --package-lock-only`,
          ]
        : [],
  };
}

/** True for pyproject.toml files that are installed together with the code around them: what pip has to build to know. */
export const isBuiltByPip = (pyproject: string, hasSrcFolder: boolean): boolean =>
  /\bdynamic\s*=\s*\[[^\]]{0,300}["']dependencies["']/.test(pyproject) ||
  (hasSrcFolder && tablesOf(pyproject).some((line) => /^\[\s*build-system\s*\]/.test(line)));
