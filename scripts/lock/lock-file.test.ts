import { describe, expect, it } from 'vitest';
import { completed, type LockFile, lockMistakes, missingOptionals } from './lock-file.ts';

const lockOf = (packages: LockFile['packages']): LockFile => ({ lockfileVersion: 3, packages });

const incomplete = lockOf({
  '': { dependencies: { tool: '1.2.3' } },
  'node_modules/tool': {
    version: '1.2.3',
    dev: true,
    optionalDependencies: { '@tool/cli-linux-x64-musl': '1.2.3', '@tool/cli-win32-arm64': '^1.2.0', helper: '2.0.0' },
  },
  'node_modules/tool/node_modules/helper': { version: '2.0.0', optional: true },
});

describe('optional packages that npm left out', () => {
  it('are those without an entry where Node would look for them', () => {
    expect(missingOptionals(incomplete).map(({ name }) => name)).toEqual([
      '@tool/cli-linux-x64-musl',
      '@tool/cli-win32-arm64',
    ]);
  });

  it('are found beside a nested package', () => {
    const lock = lockOf({
      'node_modules/a/node_modules/b': { optionalDependencies: { c: '1.0.0', d: '1.0.0', e: '1.0.0', f: '1.0.0' } },
      'node_modules/a/node_modules/b/node_modules/c': {},
      'node_modules/a/node_modules/d': {},
      'node_modules/e': {},
      'node_modules/x/node_modules/f': {},
    });
    expect(missingOptionals(lock).map(({ name }) => name)).toEqual(['f']);
  });

  it('get an entry with what is known, in its place', () => {
    const lock = completed(incomplete);
    expect(missingOptionals(lock)).toEqual([]);
    expect(Object.keys(lock.packages)).toEqual([
      '',
      'node_modules/@tool/cli-linux-x64-musl',
      'node_modules/@tool/cli-win32-arm64',
      'node_modules/tool',
      'node_modules/tool/node_modules/helper',
    ]);
    expect(lock.packages['node_modules/@tool/cli-linux-x64-musl']).toEqual({
      version: '1.2.3',
      cpu: ['x64'],
      dev: true,
      libc: ['musl'],
      optional: true,
      os: ['linux'],
    });
    expect(lock.packages['node_modules/@tool/cli-win32-arm64']).toMatchObject({ version: '1.2.0', os: ['win32'] });
  });

  it('are refused when their version cannot be determined', () => {
    const lock = lockOf({ 'node_modules/tool': { optionalDependencies: { helper: '>=1 <3' } } });
    expect(() => completed(lock)).toThrow('helper: the range ">=1 <3" names no version');
  });
});

describe('mistakes of a lock', () => {
  it('are missing entries, versions other than those of package.json, and addresses', () => {
    const lock = lockOf({ ...incomplete.packages, 'node_modules/x': { resolved: 'https://example.org/x.tgz' } });
    expect(lockMistakes(lock, { dependencies: { tool: '1.2.4' } })).toEqual([
      expect.stringContaining('@tool/cli-linux-x64-musl'),
      expect.stringContaining('@tool/cli-win32-arm64'),
      'dependencies are not those of package.json',
      expect.stringContaining('node_modules/x names the address'),
    ]);
  });

  it('are none in a lock that is complete', () => {
    expect(lockMistakes(completed(incomplete), { dependencies: { tool: '1.2.3' } })).toEqual([]);
  });
});
