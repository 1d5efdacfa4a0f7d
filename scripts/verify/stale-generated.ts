/** Whether the committed gen/ is what proto/ generates now. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkoutPath } from '../process/checkout.ts';
import { run } from '../process/run.ts';

/** The files that differ, one a line; empty when there are none. Generates into a folder of its own. */
export async function staleGenerated(signal: AbortSignal): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'botrunner-gen-'));
  try {
    const ended = await run('buf', ['generate', '--output', folder], { signal });
    if (ended.code !== 0) return ended.output;
    return differences(join(folder, 'gen'), checkoutPath('gen')).join('\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Paths that only one of two folders has, or that hold different bytes. */
export function differences(fresh: string, committed: string): string[] {
  const [wanted, present] = [filesIn(fresh), filesIn(committed)];
  return [
    ...wanted.filter((path) => !present.includes(path)).map((path) => `${path} is missing`),
    ...present.filter((path) => !wanted.includes(path)).map((path) => `${path} comes from no .proto file`),
    ...wanted
      .filter((path) => present.includes(path) && !sameBytes(join(fresh, path), join(committed, path)))
      .map((path) => `${path} is stale`),
  ];
}

function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

const sameBytes = (a: string, b: string): boolean => readFileSync(a).equals(readFileSync(b));
