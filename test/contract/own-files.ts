/** The part of the contract about what a bot brings itself: files to install from, and commands. By real pip and npm. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ProblemError } from '#common/problem.ts';
import type { BuildSettings } from '../../worker/images/build-settings.ts';
import type { ContainerRuntime, SimpleRun } from '../../worker/runtime/container-runtime.ts';
import { type PackageIndex, startPackageIndex } from '../kit/package-index/package-index.ts';
import { createWheel, type Wheel } from '../kit/package-index/wheel.ts';
import { type BuildChoice, botPlan, buildBot, patience, second, untilPrinted } from './harness.ts';
import { npmPackage, startNpmRegistry } from './npm-registry.ts';

export interface OwnFilesSuite {
  /** An address that builds can reach. */
  readonly host: () => string;
  readonly runtime: (settings: BuildSettings) => ContainerRuntime;
  readonly userId: string;
  readonly workerId: string;
}

type Files = NonNullable<BuildChoice['files']>;

const wheel = (name: string, version: string): Wheel =>
  createWheel({
    name,
    version,
    files: new Map([[`${name.replaceAll('-', '_')}/__init__.py`, Buffer.from(`version = '${version}'\n`)]]),
  });
const wheels = [wheel('contract-a', '1.0'), wheel('contract-a', '2.0'), wheel('contract-b', '1.0')];
const [first] = wheels;
const hash = first?.sha256 ?? '';
const show = { 'show.py': 'import contract_a; print("contract-a", contract_a.version)\n' };

/** A build backend that needs no package: what a project with one is built by. */
const backend = `import base64, hashlib, zipfile
def build(folder, editable):
    name = 'mybot-1.0-py3-none-any.whl'
    with zipfile.ZipFile(folder + '/' + name, 'w') as file:
        info = 'mybot-1.0.dist-info/'
        code = {'mybot.pth': __import__('os').path.abspath('src')} if editable else {
            'mybot/__main__.py': open('src/mybot/__main__.py').read(), 'mybot/texts.py': open('src/mybot/texts.py').read()}
        files = {**code, info + 'METADATA': 'Metadata-Version: 2.1\\nName: mybot\\nVersion: 1.0\\nRequires-Dist: contract-a<2\\n',
            info + 'WHEEL': 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'}
        for path, text in files.items(): file.writestr(path, text)
        file.writestr(info + 'RECORD', ''.join(path + ',,\\n' for path in files))
    return name
def build_wheel(folder, *_): return build(folder, False)
def build_editable(folder, *_): return build(folder, True)
`;
const project = {
  'pyproject.toml':
    '[project]\nname = "mybot"\nversion = "1.0"\ndynamic = ["dependencies"]\n' +
    '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
  'backend.py': backend,
  'src/mybot/__main__.py': 'import contract_a\nfrom .texts import hello\nprint(hello, contract_a.version)\n',
  'src/mybot/texts.py': 'hello = "hello from the project"\n',
};

export function describeOwnFiles(suite: OwnFilesSuite): void {
  describe('with files and commands of the bot', { timeout: 180 * second }, () => {
    let index: PackageIndex;
    let npm: Awaited<ReturnType<typeof startNpmRegistry>>;
    let runtime: ContainerRuntime;
    let count = 0;
    beforeAll(async () => {
      index = await startPackageIndex({ host: suite.host(), wheels });
      npm = await startNpmRegistry(suite.host());
      runtime = suite.runtime({ pipIndexUrl: index.url, npmRegistry: npm.url });
    });
    afterAll(async () => {
      await index.close();
      await npm.close();
    });

    async function build(language: 'python' | 'node', files: Files, requirementFiles: readonly string[]) {
      count += 1;
      const key = { userId: suite.userId, botId: `own-${count}` };
      const lines: string[] = [];
      const choice = {
        key,
        workerId: suite.workerId,
        files,
        requirementFiles,
        onOutput: (line: string) => lines.push(line),
      };
      await buildBot(runtime, language, choice);
      return { key, lines };
    }
    async function prints(
      run: Omit<SimpleRun, 'kind'>,
      files: Files,
      requirementFiles: readonly string[],
      line: string,
    ): Promise<void> {
      const { key } = await build(run.language, files, requirementFiles);
      const plan = botPlan({ key, workerId: suite.workerId, language: run.language });
      const id = await runtime.create({ ...plan, run: { kind: 'simple', ...run } }, patience());
      await runtime.start(id, patience());
      await untilPrinted(runtime, id, line);
      await runtime.remove(id, patience());
    }
    const python = (entrypoint: string) => ({ language: 'python', entrypoint }) as const;
    const fails = async (language: 'python' | 'node', files: Files, requirementFiles: readonly string[]) => {
      const error = await build(language, files, requirementFiles).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ProblemError);
      return error instanceof ProblemError ? `${error.problem.code}: ${error.problem.message}` : '';
    };

    test('pip reads what a file includes, in its own encoding, within its constraints', async () => {
      const base = 'contract-a ; python_version in "3.9, 3.10, 3.11, 3.12, 3.13, 3.14"\r\n';
      const files = {
        ...show,
        'requirements/prod file.txt': '# prod\n-r base.txt\n-c ../limits.txt\n',
        'requirements/base.txt': Buffer.from(`\ufeff${base}`, 'utf16le'),
        'limits.txt': 'contract-a<2\n',
      };
      await prints(python('show.py'), files, ['requirements/prod file.txt'], 'contract-a 1.0');
    });

    test('hostile 33: pip compares hashes over continued lines', async () => {
      const hashed = (sha256: string) => `contract-a==1.0 \\\n    --hash=sha256:${sha256}\n`;
      await prints(python('show.py'), { ...show, 'r.txt': hashed(hash) }, ['r.txt'], 'contract-a 1.0');
      expect(await fails('python', { ...show, 'r.txt': hashed('0'.repeat(64)) }, ['r.txt'])).toContain('hashes');
    });

    test('pip installs what lies beside the code', async () => {
      const path = `wheels/${first?.fileName}`;
      const files = { ...show, [path]: first?.content ?? '', 'r.txt': `./${path}\n` };
      await prints(python('show.py'), files, ['r.txt'], 'contract-a 1.0');
    });

    test('the dependencies of a pyproject.toml are installed', async () => {
      const files = { ...show, 'pyproject.toml': '[project]\nname = "x"\ndependencies = ["contract-a<2"]\n' };
      await prints(python('show.py'), files, ['pyproject.toml'], 'contract-a 1.0');
    });

    test('a project that pip has to build is built where its code is, editable too', async () => {
      const run = { language: 'python', entrypoint: '', command: ['python', '-m', 'mybot'] } as const;
      await prints(run, project, ['pyproject.toml'], 'hello from the project 1.0');
      await prints(run, { ...project, 'r.txt': '-e .\n' }, ['r.txt'], 'hello from the project 1.0');
    });

    test.each<[string, Files, string]>([
      ['of Poetry alone', { 'pyproject.toml': '[tool.poetry.dependencies]\npython = "^3.9"\na = "1"\n' }, 'Poetry'],
      ['for another Python', { 'pyproject.toml': '[project]\nrequires-python = ">=9"\n' }, 'Python'],
      ['that is no TOML', { 'pyproject.toml': '[project\n' }, 'TOML'],
    ])('a pyproject.toml %s is reported in one line', async (_title, files, word) => {
      expect(await fails('python', files, ['pyproject.toml'])).toMatch(new RegExp(`^BUILD_FAILED: .*${word}`));
    });

    test('a package is run as one', async () => {
      const files = {
        'mybot/__main__.py': 'from .texts import hello\nprint(hello)\n',
        'mybot/texts.py': 'hello = "relative"\n',
      };
      const run = { language: 'python', entrypoint: '', command: ['python', '-m', 'mybot'] } as const;
      await prints(run, files, [], 'relative');
      const moved = Object.fromEntries(Object.entries(files).map(([path, content]) => [`src/${path}`, content]));
      await prints({ ...run, command: ['env', 'PYTHONPATH=src', 'python3', '-m', 'mybot'] }, moved, [], 'relative');
    });

    const greet = { 'greet.mjs': `import text from '${npmPackage}'; console.log(text);` };
    const manifest = (range: string) => ({
      name: 'bot',
      scripts: { start: 'node greet.mjs', postinstall: 'node absent.js' },
      dependencies: { [npmPackage]: range },
    });
    const lock = () => ({
      name: 'bot',
      lockfileVersion: 3,
      packages: {
        '': { name: 'bot', dependencies: { [npmPackage]: '^1.0.0' } },
        [`node_modules/${npmPackage}`]: {
          version: '1.0.0',
          resolved: `${npm.url}${npmPackage}.tgz`,
          integrity: npm.integrity,
        },
      },
    });

    test('npm ci installs by the lock file, and the start script runs', async () => {
      const names = ['package.json', 'package-lock.json'];
      const files = {
        ...greet,
        'package.json': JSON.stringify(manifest('^1.0.0')),
        'package-lock.json': JSON.stringify(lock()),
      };
      const run = { language: 'node', entrypoint: '', command: ['npm', 'start'] } as const;
      await prints(run, files, names, 'hello from the package');
      const stale = {
        ...files,
        'package-lock.json': JSON.stringify(lock()).replaceAll('"version":"1.0.0"', '"version":"0.9.0"'),
      };
      expect(await fails('node', stale, names)).toContain('package-lock.json does not match package.json');
    });

    test('npm installs a folder of the bot', async () => {
      const files = {
        'package.json': JSON.stringify({ dependencies: { lib: 'file:./lib' } }),
        'lib/package.json': JSON.stringify({
          name: 'lib',
          version: '1.0.0',
          main: 'index.js',
          bin: { 'lib-says': './index.js' },
        }),
        'lib/index.js': '#!/usr/bin/env node\nconsole.log("hello from lib");\n',
      };
      const run = { language: 'node', entrypoint: '', command: ['lib-says'] } as const;
      await prints(run, files, ['package.json'], 'hello from lib');
    });
  });
}
