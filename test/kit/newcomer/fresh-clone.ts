/** A clone of the checkout as a newcomer has it: what is committed, or would be, and nothing else. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { checkout, checkoutPath } from '../../../scripts/process/checkout.ts';

export interface FreshClone {
  readonly dir: string;
  [Symbol.dispose](): void;
}

/** Without node_modules and without data. Its folder has a space in its name, as people's have. */
export function freshClone(): FreshClone {
  const root = mkdtempSync(join(tmpdir(), 'newcomer-'));
  const dir = join(root, 'Bot Runner');
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: checkout,
  });
  for (const path of listed.toString().split('\0')) {
    // Removed, and not committed yet.
    if (path === '' || !existsSync(checkoutPath(path))) continue;
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    cpSync(checkoutPath(path), join(dir, path));
  }
  return {
    dir,
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** The packages of the checkout, without npm; where tests are about something else than the set-up. */
export function linkPackages({ dir }: FreshClone): void {
  execFileSync('cp', ['--archive', '--link', checkoutPath('node_modules'), dir]);
}
