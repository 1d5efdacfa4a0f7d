import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { differences } from './stale-generated.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folderWith(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'botrunner-stale-'));
  folders.push(folder);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

it('equal folders have no differences', () => {
  expect(differences(folderWith({ 'a/b.js': 'x' }), folderWith({ 'a/b.js': 'x' }))).toEqual([]);
});

it('a changed, a missing and a left-over file are reported', () => {
  const fresh = folderWith({ 'a/changed.js': '2', 'a/new.js': '' });
  const committed = folderWith({ 'a/changed.js': '1', 'a/old.js': '' });
  expect(differences(fresh, committed)).toEqual([
    'a/new.js is missing',
    'a/old.js comes from no .proto file',
    'a/changed.js is stale',
  ]);
});

it('a folder that is not there at all has every file missing', () => {
  expect(differences(folderWith({ 'a.js': '' }), join(folderWith({}), 'gen'))).toEqual(['a.js is missing']);
});
