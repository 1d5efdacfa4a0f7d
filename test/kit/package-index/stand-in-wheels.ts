/** The packages that the test index has: stand-ins for aiogram, in several versions, and for what it depends on. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createWheel, type Wheel } from './wheel.ts';

/** Import folders of the stand-ins, for PYTHONPATH of a bot that runs without pip. */
export const standInFolders: readonly string[] = ['aiogram3', 'magic_filter'].map(folderOf);

export function createStandInWheels(): Wheel[] {
  return [
    createWheel({ name: 'magic-filter', version: '1.0.12', files: readSources('magic_filter') }),
    createWheel({ name: 'aiogram', version: '2.25.1', files: readSources('aiogram2') }),
    ...['3.0.0', '3.4.1'].map((version) =>
      createWheel({
        name: 'aiogram',
        version,
        requires: ['magic-filter>=1.0.12,<1.1'],
        files: readSources('aiogram3').set('aiogram/__meta__.py', Buffer.from(`__version__ = "${version}"\n`)),
      }),
    ),
  ];
}

function folderOf(name: string): string {
  return join(import.meta.dirname, 'packages', name);
}

function readSources(name: string): Map<string, Buffer> {
  const paths = readdirSync(folderOf(name), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.py'),
  );
  return new Map(paths.sort().map((path) => [path, readFileSync(join(folderOf(name), path))]));
}
