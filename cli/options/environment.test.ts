import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { tempFolder } from '../testing/temp-folder.ts';
import { isEnvGiven, readEnvironment } from './environment.ts';

const { signal } = new AbortController();

it('takes the last of several values, and -e before any file', async () => {
  const cwd = await tempFolder({ 'a.env': 'A=a\nB=a\nC=a\n', 'b.env': 'B=b\nC=b\n' });
  const options = { env: ['C=1', 'C=2', 'D='], envFile: ['a.env', 'b.env'] };
  expect(await readEnvironment(options, cwd, signal)).toEqual({
    values: { A: 'a', B: 'b', C: '2', D: '' },
    removed: [],
  });
});

it('knows whether any was given', () => {
  expect(isEnvGiven({ env: [], envFile: [] })).toBe(false);
  expect(isEnvGiven({ env: ['A=1'], envFile: [] })).toBe(true);
  expect(isEnvGiven({ env: [], envFile: ['x'] })).toBe(true);
});

it('reads a pipe, such as <(command) of a shell', async () => {
  const cwd = await tempFolder();
  execFileSync('mkfifo', [join(cwd, 'pipe')]);
  const written = writeFile(join(cwd, 'pipe'), 'A=1\n');
  expect(await readEnvironment({ env: [], envFile: ['pipe'] }, cwd, signal)).toMatchObject({ values: { A: '1' } });
  await written;
});

it.each<[string, Record<string, string | Uint8Array>, string]>([
  ['nope.env', {}, 'There is no file or folder nope.env.'],
  ['dir', { 'dir/x': '' }, 'dir is a folder.'],
  ['bin.env', { 'bin.env': Buffer.from('A=canary\xff', 'latin1') }, 'bin.env is not UTF-8 text.'],
  ['big.env', { 'big.env': 'A=canary\n'.repeat(200_000) }, 'big.env is longer than 1048576 bytes.'],
  ['bad.env', { 'bad.env': 'A=1\ncanary\n' }, 'Line 2 of bad.env is not NAME=VALUE.'],
  ['proto.env', { 'proto.env': '__proto__=canary' }, 'A variable cannot be named __proto__.'],
])('%s is refused with one line', async (file, files, message) => {
  const cwd = await tempFolder(files);
  await expect(readEnvironment({ env: [], envFile: [file] }, cwd, signal)).rejects.toThrow(message);
});
