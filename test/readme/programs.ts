/** What a page's commands need of the machine beyond Node.js and npm. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Why commands that use these programs cannot be run here; undefined when they can. */
export function missingProgram(...names: readonly string[]): string | undefined {
  const missing = names.filter((name) => !isThere(name));
  return missing.length === 0 ? undefined : `this machine has no ${missing.join(', ')}, which the page uses`;
}

function isThere(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false; // not in this folder
    }
  });
}
