/** Writes generated files, or says which of them are stale. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { checkoutPath } from '../process/checkout.ts';
import type { GeneratedFile } from './files.ts';

/** Paths of the files that do not hold what they should. */
export async function stale(files: readonly GeneratedFile[], signal: AbortSignal): Promise<string[]> {
  const paths: string[] = [];
  for (const { path, wanted } of files) {
    if (contentOf(path) !== (await wanted(signal))) paths.push(path);
  }
  return paths;
}

/** Writes and reports each stale file, and leaves the others alone. */
export async function write(files: readonly GeneratedFile[], signal: AbortSignal): Promise<void> {
  for (const { path, wanted } of files) {
    const text = await wanted(signal);
    if (contentOf(path) === text) continue;
    mkdirSync(dirname(checkoutPath(path)), { recursive: true });
    writeFileSync(checkoutPath(path), text);
    console.log(`wrote ${path}`);
  }
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(checkoutPath(path), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
