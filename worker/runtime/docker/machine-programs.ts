/** Programs of the machine that the worker runs on, with what they need to run elsewhere; and the image that the worker itself is of. */

import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { record, text } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';

/** Where a system keeps such programs, though not every user's PATH has it. */
const systemFolders = ['/usr/sbin', '/sbin'];

/** The path of a program; undefined when it is in no folder. */
export async function findProgram(name: string, path = ''): Promise<string | undefined> {
  for (const folder of [...path.split(delimiter), ...systemFolders]) {
    const file = join(folder, name);
    try {
      if (folder !== '') await access(file, constants.X_OK);
      if (folder !== '') return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** The image of the container that this process is in, by id; undefined outside of the containers of this engine. */
export async function ownImage(engine: EngineClient, signal: AbortSignal): Promise<string | undefined> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  // The engine mounts these three files from the folder of the container.
  const id = /\/containers\/([0-9a-f]{64})\/(?:resolv\.conf|hostname|hosts) /.exec(mounts)?.[1];
  if (id === undefined) return undefined;
  try {
    return text(record(await engine.call({ method: 'GET', path: `/containers/${id}/json` }, signal))['Image']);
  } catch (error) {
    // A container of another engine than the one that runs bots.
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

const run = promisify(execFile);

export interface ProgramParts {
  readonly files: readonly string[];
  /** The dynamic loader; undefined for a static program. */
  readonly loader: string | undefined;
}

/** From lines as `libnftables.so.1 => /lib/x86_64-linux-gnu/libnftables.so.1 (0x...)` and `/lib64/ld-linux-x86-64.so.2 (0x...)`. */
export async function partsOf(program: string, env: NodeJS.ProcessEnv): Promise<ProgramParts | undefined> {
  const listed = await run('ldd', [program], { timeout: 10_000, env: { ...env, LC_ALL: 'C' } }).then(
    ({ stdout }) => stdout,
    (error: { readonly stderr?: string }) => (/not a dynamic executable/.test(error.stderr ?? '') ? '' : undefined),
  );
  if (listed === undefined || listed.includes('not found')) return undefined;
  const libraries = [...new Set([...listed.matchAll(/(?:^|\s)(\/\S+) \(0x/gm)].map(([, path = '']) => path))];
  const loader = libraries.find((path) => /^ld-|^ld64\.so|^ld\.so/.test(basename(path)));
  return libraries.length > 0 && loader === undefined ? undefined : { files: [program, ...libraries], loader };
}
