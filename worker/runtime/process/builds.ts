/**
 * Images of the process runtime. A build is a folder with the bot's files and what its requirements installed; an image
 * name is a file that says which build it means. Without that file a build does not count, so a failed one leaves nothing.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { BotKey } from '#common/ids.ts';
import { imageRepository } from '#common/ids.ts';
import type { Language } from '#common/language.ts';
import { ProblemError } from '#common/problem.ts';
import { readSafeTar } from '#common/safe-tar.ts';
import { buildFailure, createOutputTail } from '../../images/build-failure.ts';
import { type BuildSettings, buildVariables, settingSecrets } from '../../images/build-settings.ts';
import { type InstallPlan, planInstall } from '../../images/install/install-plan.ts';
import { pythonInstallerName } from '../../images/install/python-installer.ts';
import { readJsonIfAny, writeFileAtomic } from '../../state/atomic-file.ts';
import type { SourceTar } from '../../state/source-tar.ts';
import type { SimpleBuild } from '../container-runtime.ts';
import { createRedactor } from '../redact.ts';
import { findPython, programPath } from './interpreters.ts';
import { buildsDir, imageFile, imagesDir, namesIn, removeFolder } from './layout.ts';
import { type Command, runCommand } from './run-command.ts';

/** What an image name means. */
export interface ImageRecord {
  /** Folder of the build. */
  readonly build: string;
  readonly language: Language;
  /** Absolute path of the Python that runs it; empty for Node, which is the worker's own. */
  readonly python: string;
}

export const buildFolder = (dir: string, build: string): string => join(buildsDir(dir), build);

const pythonHint = 'The operator has to install Python 3.11 or newer with its venv module, or use the docker runtime.';

export interface Builds {
  /** As ContainerRuntime.buildImage. */
  build(build: SimpleBuild, signal: AbortSignal): Promise<void>;
  /** Undefined when there is no such image. */
  read(image: string): Promise<ImageRecord | undefined>;
  /** Removes the names of the bot's images but those to keep and in use. */
  removeNames(key: BotKey, keep: readonly string[], usedBuilds: ReadonlySet<string>): Promise<void>;
  /** Removes the builds that no image name and no container needs. */
  sweep(usedBuilds: ReadonlySet<string>): Promise<void>;
}

export function createBuilds(dir: string, settings: BuildSettings): Builds {
  /** Builds that no name means yet, because they are being made. */
  const unfinished = new Set<string>();
  return {
    async build(build, signal) {
      const id = randomBytes(12).toString('hex');
      unfinished.add(id);
      try {
        await buildImage(dir, settings, build, id, signal);
      } catch (error) {
        await removeFolder(buildFolder(dir, id));
        throw error;
      } finally {
        unfinished.delete(id);
      }
    },
    read: (image) => readImage(imageFile(dir, image)),
    removeNames: (key, keep, usedBuilds) => removeNames(dir, key, keep, usedBuilds),
    async sweep(usedBuilds) {
      // In this order: one that is begun after the first line is not looked at, one that is done after the second has its
      // name by the third.
      const found = await namesIn(buildsDir(dir));
      const needed = new Set([...usedBuilds, ...unfinished]);
      for (const build of await namedBuilds(dir)) needed.add(build);
      for (const build of found) if (!needed.has(build)) await removeFolder(buildFolder(dir, build));
    },
  };
}

async function buildImage(
  dir: string,
  settings: BuildSettings,
  build: SimpleBuild,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  const plan = await planInstall(build, signal);
  const image = imageFile(dir, build.image);
  const folder = buildFolder(dir, id);
  await unpack(build.sourceTar, join(folder, 'app'), signal);
  const python = await install(folder, settings, build, plan, signal);
  await mkdir(imagesDir(dir), { recursive: true, mode: 0o700 });
  signal.throwIfAborted();
  const record: ImageRecord = { build: id, language: build.language, python };
  await writeFileAtomic(image, JSON.stringify(record));
}

async function readImage(path: string): Promise<ImageRecord | undefined> {
  const record = await readJsonIfAny<ImageRecord>(path);
  // Damaged, it names no build: the image is made again.
  return typeof record?.build === 'string' && typeof record.python === 'string' ? record : undefined;
}

async function removeNames(
  dir: string,
  key: BotKey,
  keep: readonly string[],
  usedBuilds: ReadonlySet<string>,
): Promise<void> {
  const prefix = `${imageRepository(key)}@`;
  const kept = new Set(keep.map((image) => imageFile(dir, image)));
  for (const path of await imagePaths(dir)) {
    if (!basename(path).startsWith(prefix) || kept.has(path)) continue;
    const record = await readImage(path);
    if (record && !usedBuilds.has(record.build)) await rm(path, { force: true });
  }
}

async function namedBuilds(dir: string): Promise<readonly string[]> {
  const records = await Promise.all((await imagePaths(dir)).map(readImage));
  return records.flatMap((record) => (record === undefined ? [] : [record.build]));
}

const imagePaths = async (dir: string): Promise<readonly string[]> =>
  (await namesIn(imagesDir(dir))).map((name) => join(imagesDir(dir), name));

async function unpack(tar: SourceTar, target: string, signal: AbortSignal): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o700 });
  for await (const entry of readSafeTar(tar.open())) {
    signal.throwIfAborted();
    // The name is a checked relative one, and nothing in the folder is a link: it cannot lead out.
    const path = join(target, entry.name);
    await mkdir(entry.kind === 'folder' ? path : dirname(path), { recursive: true });
    const mode = entry.executable ? 0o755 : 0o644;
    if (entry.kind === 'file') await writeFile(path, entry.content, { flag: 'wx', mode, signal });
  }
}

/** Returns the path of the Python to run with; empty for Node. */
async function install(
  folder: string,
  settings: BuildSettings,
  build: SimpleBuild,
  plan: InstallPlan | undefined,
  signal: AbortSignal,
): Promise<string> {
  const run = commandRunner(folder, settings, build, signal);
  for (const { name, content } of plan?.files ?? []) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  const app = join(folder, 'app');
  if (build.language === 'node') {
    if (plan) {
      const cwd = plan.how === 'in_place' ? app : folder;
      await run('Installing the requirements', ['npm', ...(await npmArguments(cwd, folder))], { cwd });
    }
    await removeFolder(join(folder, 'home'));
    return '';
  }
  const python = await findPython(signal);
  if (!python) throw new ProblemError(buildFailure([], 'The worker has no Python to run the bot with.', pythonHint));
  if (!plan) return python.path;
  await run('Creating a virtual environment', [python.path, '-m', 'venv', join(folder, 'venv')], { hint: pythonHint });
  const venvPython = join(folder, 'venv', 'bin', 'python');
  const options = ['--no-cache-dir', '--disable-pip-version-check', '--no-input'];
  if (plan.how === 'list') {
    const argv = [venvPython, '-m', 'pip', 'install', ...options, '-r', 'requirements.txt'] as const;
    await run('Installing the requirements', argv, { cwd: folder });
  } else {
    const cwd = plan.how === 'in_place' ? app : join(folder, 'files');
    await mkdir(cwd, { recursive: true });
    const argv = [venvPython, join(folder, pythonInstallerName), ...options] as const;
    await run('Installing the requirements', argv, { cwd });
  }
  await removeFolder(join(folder, 'home'));
  return venvPython;
}

/** By the lock file if there is one, as the image of the docker runtime is made. */
async function npmArguments(cwd: string, folder: string): Promise<readonly string[]> {
  const names = await namesIn(cwd);
  const isLocked = names.includes('npm-shrinkwrap.json') || names.includes('package-lock.json');
  const options = ['--omit=dev', '--no-audit', '--no-fund', '--no-update-notifier'];
  const cache = `--cache=${join(folder, 'home', 'npm')}`;
  return isLocked ? ['ci', ...options, cache] : ['install', '--no-package-lock', ...options, cache];
}

type Run = (
  what: string,
  argv: Command['argv'],
  options?: { readonly cwd?: string; readonly hint?: string },
) => Promise<void>;

function commandRunner(folder: string, settings: BuildSettings, build: SimpleBuild, signal: AbortSignal): Run {
  const tail = createOutputTail();
  const redact = createRedactor(settingSecrets(settings));
  const onLine = (line: string) => {
    const shown = redact(line);
    tail.add(shown);
    build.onOutput(shown);
  };
  const home = join(folder, 'home');
  // Nothing of the worker's own environment: it holds the worker's token. Temporary files go with the build.
  const env = { PATH: programPath(), HOME: home, TMPDIR: home, LANG: 'C.UTF-8', ...buildVariables(settings) };
  return async (what, argv, { cwd = folder, hint } = {}) => {
    await mkdir(home, { recursive: true, mode: 0o700 });
    build.onOutput(`${what}.`);
    let code: number;
    try {
      code = await runCommand({ argv, cwd, env, onLine }, signal);
    } catch (error) {
      signal.throwIfAborted();
      const missing = `${what} failed: the worker has no ${argv[0].split('/').at(-1)}.`;
      throw new ProblemError(buildFailure(tail.lines(), missing, hint), { cause: error });
    }
    if (code !== 0) throw new ProblemError(buildFailure(tail.lines(), `${what} failed with exit code ${code}.`, hint));
  };
}
