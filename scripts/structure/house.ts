/** The files of the programs in a checkout, with their imports: what the structure is judged by. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Import, importsOf, type ParsedFile, parseFile } from './imports.ts';

export const programs = ['common', 'orchestrator', 'worker', 'cli'] as const;

export interface House {
  readonly files: readonly ParsedFile[];
  readonly imports: readonly Import[];
}

/** What git knows of at `root`, and new files; no tests. */
export function readHouse(root: string): House {
  const names = ['ls-files', '--cached', '--others', '--exclude-standard', ...programs.map((name) => `${name}/*.ts`)];
  const listed = execFileSync('git', ['-C', root, ...names], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  const paths = [...new Set(listed.split('\n'))]
    .filter((path) => path.endsWith('.ts') && !/\.(?:test|d)\.ts$|\/testing\//.test(path))
    .filter((path) => existsSync(join(root, path)))
    .sort();
  const files = paths.map((path) => parseFile(root, path));
  return { files, imports: files.flatMap(importsOf) };
}
