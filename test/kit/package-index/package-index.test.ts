import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PackageIndex, startPackageIndex } from './package-index.ts';
import { createStandInWheels } from './stand-in-wheels.ts';
import { createWheel } from './wheel.ts';
import { createZip } from './zip.ts';

let index: PackageIndex;
beforeEach(async () => {
  index = await startPackageIndex({ host: '127.0.0.1', wheels: createStandInWheels() });
});
afterEach(() => index.close());

describe('the package index', () => {
  it('lists every version of a project with its hash and the Python it needs', async () => {
    const page = await (await fetch(`${index.url}aiogram/`)).text();
    for (const version of ['2.25.1', '3.0.0', '3.4.1']) {
      expect(page).toMatch(new RegExp(`href="/files/aiogram-${version}-py3-none-any.whl#sha256=[0-9a-f]{64}"`));
    }
    expect(page).toContain('data-requires-python="&gt;=3.8"');
    expect(page).toContain('<!DOCTYPE html>');
  });

  it('hands out files that match their hash, and remembers which', async () => {
    const page = await (await fetch(`${index.url}magic-filter/`)).text();
    const [, path = '', sha256] = /href="([^#]+)#sha256=(\w+)"/.exec(page) ?? [];
    const file = Buffer.from(await (await fetch(new URL(path, index.url))).arrayBuffer());
    expect(createHash('sha256').update(file).digest('hex')).toBe(sha256);
    expect(index.downloads()).toEqual(['magic_filter-1.0.12-py3-none-any.whl']);
  });

  it('answers 404 for what it does not have', async () => {
    expect((await fetch(`${index.url}no-such-package/`)).status).toBe(404);
    expect((await fetch(new URL('/files/no-such-file.whl', index.url))).status).toBe(404);
    expect((await fetch(new URL('/', index.url))).status).toBe(404);
  });
});

describe('a wheel', () => {
  it('is named as the index and pip expect, and says what it needs', () => {
    const wheel = createWheel({
      name: 'Some.Name-x',
      version: '1.2',
      files: new Map([['some/__init__.py', Buffer.from('x = 1\n')]]),
      requires: ['other>=1'],
    });
    expect(wheel.fileName).toBe('Some_Name_x-1.2-py3-none-any.whl');
    expect(wheel.project).toBe('some-name-x');
    const content = wheel.content.toString('latin1');
    expect(content).toContain('Requires-Dist: other>=1\n');
    expect(content).toMatch(/some\/__init__\.py,sha256=[\w-]{43},6\n/);
  });
});

describe('a zip', () => {
  it('has its central directory where the end record says', () => {
    const zip = createZip(
      new Map([
        ['a.txt', Buffer.from('first')],
        ['папка/b.txt', Buffer.from('second')],
      ]),
    );
    const end = zip.length - 22;
    expect(zip.readUInt32LE(end)).toBe(0x06054b50);
    expect(zip.readUInt16LE(end + 10)).toBe(2);
    const directory = zip.readUInt32LE(end + 16);
    expect(zip.readUInt32LE(directory)).toBe(0x02014b50);
    expect(directory + zip.readUInt32LE(end + 12)).toBe(end);
    const secondEntry = directory + 46 + 'a.txt'.length;
    const secondFile = zip.readUInt32LE(secondEntry + 42);
    expect(zip.readUInt32LE(secondFile)).toBe(0x04034b50);
    expect(zip.toString('utf8', secondFile + 30)).toMatch(/^папка\/b\.txtsecond/);
  });
});
