import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ParsedFile, parseFile } from './imports.ts';
import { unreadSettings, unusedCodes, unusedExports } from './unused.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'unused-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const filesOf = (texts: Readonly<Record<string, string>>): readonly ParsedFile[] =>
  Object.entries(texts).map(([path, text]) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    return parseFile(root, path);
  });

describe('exports', () => {
  const unusedOf = (texts: Readonly<Record<string, string>>, entry = '') => {
    const files = filesOf(texts);
    return unusedExports(files, files, (path) => path === entry).map((line) => /exports (\w+)/.exec(line)?.[1]);
  };

  it('are found when nobody imports them, of each kind', () => {
    const text = `
      export const one = 1;
      export function two() {}
      export class Three {}
      export type Four = string;
      const five = 5;
      export { five };
    `;
    expect(unusedOf({ 'worker/a.ts': text })).toEqual(['one', 'two', 'Three', 'Four', 'five']);
    expect(unusedOf({ 'worker/a.ts': text }, 'worker/a.ts')).toEqual([]);
  });

  it('are used by an import, a type import, a re-export, import() and import *', () => {
    const a = 'export const x = 1;\n';
    const users = [
      "import { x } from '../worker/a.ts';",
      "import type { x } from '../worker/a.ts';",
      "import { x as y } from '../worker/a.ts';",
      "export { x } from '../worker/a.ts';",
      "export * from '../worker/a.ts';",
      "import * as a from '../worker/a.ts';",
      "await import('../worker/a.ts');",
    ];
    for (const user of users) expect(unusedOf({ 'worker/a.ts': a, 'cli/b.ts': user }, 'cli/b.ts'), user).toEqual([]);
    expect(unusedOf({ 'worker/a.ts': a, 'cli/b.ts': "import { z } from '../worker/a.ts';" }, 'cli/b.ts')).toEqual([
      'x',
    ]);
  });

  it('of types are not counted where their own file exposes them to callers', () => {
    expect(unusedOf({ 'worker/a.ts': 'export interface Parts {}\nexport function use(parts: Parts) {}\n' })).toEqual([
      'use',
    ]);
  });
});

it('a setting that is declared and never read is found', () => {
  const files = filesOf({
    'worker/config.ts': 'export const variables = { port: 1, host: 2, forgotten: 3 };\n',
    'worker/program.ts':
      'declare const config: Record<string, number>;\nconst { host } = config;\nlisten(config.port, host);\n',
  });
  expect(unreadSettings(['port', 'host', 'forgotten'], files)).toEqual(['forgotten']);
});

it('an error code with which nothing is refused is found', () => {
  const files = filesOf({ 'worker/a.ts': "refuse('USED', 'The word UNUSED in a text is not the code.');\n" });
  expect(unusedCodes(['USED', 'UNUSED'], files)).toEqual(['UNUSED']);
});
