/**
 * The clients of the rivals, from npm into a cache beside the test kit's: they are tools of the bench alone, not
 * installed with Bot Runner.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { defaultCacheDir } from '../../test/kit/private-engine/private-engine.ts';
import { runProgram } from '../../test/kit/private-engine/run-program.ts';

const versions = { bullmq: '6.7.0', ioredis: '5.11.1', 'pg-boss': '12.38.0' };
const folder = join(defaultCacheDir, 'bench-rivals');
const installTimeoutMs = 240_000;

/** Installs them once. */
export async function rivalPackages(): Promise<void> {
  const wanted = JSON.stringify({ private: true, dependencies: versions }, undefined, 2);
  const file = join(folder, 'package.json');
  const complete = join(folder, 'installed.json');
  if (existsSync(complete) && (await readFile(complete, 'utf8')) === wanted) return;
  await mkdir(folder, { recursive: true });
  await writeFile(file, wanted);
  await runProgram('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], {
    cwd: folder,
    timeoutMs: installTimeoutMs,
    env: { ...process.env },
  });
  await writeFile(complete, wanted);
}

/** One of them; typed where it is used, since the types are not installed here. */
export const rival = (name: keyof typeof versions): unknown => createRequire(join(folder, 'package.json'))(name);
