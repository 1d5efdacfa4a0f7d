/**
 * Where the process runtime keeps things, below its own folder:
 *
 *     images/NAME@TAG.json      which build an image name means; there only if the build succeeded
 *     builds/ID/                one build: app/, requirements, venv/ or node_modules/
 *     containers/NAME/          one container: container.json, app/, home/, its output and the files of its runs
 *     data/NAME/                what one bot keeps, over all its containers
 *
 * What is being made or removed has a name with a leading dot, and takes its place by rename.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type BotKey, volumeName } from '#common/ids.ts';
import { refuse } from '#common/problem.ts';
import { isErrno } from '../../state/atomic-file.ts';

export const imagesDir = (dir: string): string => join(dir, 'images');
export const buildsDir = (dir: string): string => join(dir, 'builds');
export const containersDir = (dir: string): string => join(dir, 'containers');

const imagePattern = /^([a-z0-9][a-z0-9_]*):([A-Za-z0-9_][A-Za-z0-9_.-]*)$/;
const containerPattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,200}$/;

/** The file that stands for an image name. */
export function imageFile(dir: string, image: string): string {
  const match = imagePattern.exec(image);
  if (!match) return refuse('INVALID_IMAGE_NAME', 'The process runtime has only images that it built.');
  return join(imagesDir(dir), `${match[1]}@${match[2]}.json`);
}

export function containerDir(dir: string, name: string): string {
  if (!containerPattern.test(name)) throw new Error('not a container name');
  return join(containersDir(dir), name);
}

/** The folder that BOTRUNNER_DATA_DIR names. */
export const dataFolder = (dir: string, key: BotKey): string => join(dir, 'data', volumeName(key));

/** The files of one container. */
export const containerFiles = (folder: string) => ({
  description: join(folder, 'container.json'),
  app: join(folder, 'app'),
  home: join(folder, 'home'),
  packages: join(folder, 'node_modules'),
  run: join(folder, 'run.json'),
  record: (run: number) => join(folder, `process.${run}`),
  exit: (run: number) => join(folder, `exit.${run}`),
  logBases: join(folder, 'log.json'),
  stdout: join(folder, 'stdout.log'),
  stderr: join(folder, 'stderr.log'),
});

/** Names in a folder; none when it does not exist. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Removes a folder with all that is in it. Absent is success. */
export const removeFolder = (path: string): Promise<void> =>
  // A process that was just killed may still have been writing when its folder was read.
  rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
