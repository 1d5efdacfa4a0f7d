/** Each fault of the structure, tested on a house that has it and on a neighbour that does not. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkout } from '../process/checkout.ts';
import { structureFaults } from './faults.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'botrunner-structure-'));
  execFileSync('git', ['init', '-q', root]);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** What is wrong with a house of these files. */
function faultsOf(files: Readonly<Record<string, string>>): readonly string[] {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return structureFaults(root);
}

it('this house has none', () => {
  expect(structureFaults(checkout)).toEqual([]);
});

describe('circles', () => {
  it('of values, of types, and through import() are found, each once', () => {
    const [one, ...others] = faultsOf({
      'worker/a.ts': "import { b } from './b.ts';\nexport const a = b;\n",
      'worker/b.ts': "export const b = async () => import('./c.ts');\n",
      'worker/c.ts': "import type { a } from './a.ts';\nexport type C = typeof a;\n",
      'worker/d.ts': "export * from './a.ts';\n",
    });
    expect([one, others]).toEqual(['a circle of imports: worker/a.ts, worker/b.ts, worker/c.ts', []]);
  });
});

describe('floors', () => {
  it.each([
    ['orchestrator/core/a.ts', '../store/b.ts', 'store is above core'],
    ['orchestrator/store/a.ts', '../views/b.ts', 'store and views are on one floor'],
    ['orchestrator/attic/a.ts', '../core/b.ts', 'orchestrator/attic is not in the table of rooms'],
    ['orchestrator/core/a.ts', '../program.ts', '. is above core'],
    ['worker/runtime/docker/a.ts', '../../bots/b.ts', 'bots is above runtime'],
    ['common/a.ts', './waiting/b.ts', 'waiting is above .'],
  ])('%s may not import %s', (path, specifier, why) => {
    const faults = faultsOf({ [path]: `import type { B } from '${specifier}';\nexport type A = B;\n` });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(why);
  });

  it.each([
    ['orchestrator/store/a.ts', '../core/b.ts'],
    ['orchestrator/core/a.ts', './validate/b.ts'],
    ['worker/bots/a.ts', '../runtime/docker/b.ts'],
    ['worker/state/a.ts', '#common/waiting/bell.ts'],
  ])('%s may import %s', (path, specifier) => {
    expect(faultsOf({ [path]: `import type { B } from '${specifier}';\nexport type A = B;\n` })).toEqual([]);
  });
});

describe('pure files', () => {
  it.each([
    ['Date.now()', 'reads the clock'],
    ['new Date()', 'reads the clock'],
    ['Date()', 'reads the clock'],
    ['Math.random()', 'is random'],
    ['AbortSignal.timeout(1)', 'sets a timer'],
  ])('may not call %s', (call, why) => {
    const text = `export const a = () => ${call};\n`;
    const impure = text.replace('const a', 'const b');
    const faults = faultsOf({ 'orchestrator/core/a.ts': text, 'orchestrator/fleet/b.ts': impure });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(new RegExp(`^orchestrator/core/a\\.ts:1 ${why}`));
  });

  it('may make dates of times that they are given', () => {
    const text = 'export const a = (ms: number) => [new Date(ms), Date.UTC(2026), Math.floor(ms)];\n';
    expect(faultsOf({ 'orchestrator/core/a.ts': text })).toEqual([]);
  });

  it('take values from pure files alone, types from any', () => {
    const faults = faultsOf({
      'orchestrator/core/a.ts': "import { systemClock } from '#common/clock.ts';\nexport const a = systemClock;\n",
      'orchestrator/core/b.ts': "import { type Clock } from '#common/clock.ts';\nexport type B = Clock;\n",
      'orchestrator/core/c.ts': "import { botKeyText } from '#common/ids.ts';\nexport const c = botKeyText;\n",
    });
    expect(faults).toEqual(['orchestrator/core/a.ts:1 takes values from common/clock.ts, which is not pure']);
  });
});

describe('works of the store', () => {
  const work = (body: string) =>
    `export const a = (deps: Deps) => deps.store.change([], (tx) => ${body});\nexport type Deps = never;\n`;

  it.each([
    ['tx.bots.put(deps.clock.wallMs())', 'calls clock'],
    ['tx.bots.put(Date.now())', 'reads the clock'],
    ['[1].map(() => Math.random())', 'is random'],
    ['tx.meta.put(ulid())', 'calls ulid'],
    ['tx.meta.put(randomBytes(4))', 'calls randomBytes'],
    ["deps.logger.info('done')", 'calls logger'],
    ['setTimeout(() => {}, 1)', 'calls setTimeout'],
  ])('may not do %s', (body, why) => {
    const [one, ...others] = faultsOf({ 'orchestrator/fleet/a.ts': work(body) });
    expect(one).toMatch(new RegExp(`^orchestrator/fleet/a\\.ts:1 a work ${why}`));
    expect(others).toEqual([]);
  });

  it('may not wait, in changes of the engine and in looks alike', () => {
    const text =
      'class E { #change(w: W) {} b() { this.#change(async () => await c); store.look([], async () => await c); } }\n';
    expect(
      faultsOf({ 'orchestrator/server/a.ts': `${text}declare const c: never, store: never;\ntype W = never;\n` }),
    ).toEqual(['orchestrator/server/a.ts:1 a work waits', 'orchestrator/server/a.ts:1 a work waits']);
  });

  it('may use what was drawn before', () => {
    const text = `const now = Date.now();\n${work('tx.workers.seen(now)')}`;
    expect(faultsOf({ 'orchestrator/fleet/a.ts': text })).toEqual([]);
  });

  it('of the engine may seal, and take no other value that differs each time', () => {
    const faults = faultsOf({
      'orchestrator/engine/a.ts': "import { sealStored } from '../store/seal.ts';\nexport const a = sealStored;\n",
      'orchestrator/engine/b.ts': "import { newUlid } from '#common/ulids.ts';\nexport const b = newUlid;\n",
    });
    expect(faults).toEqual(['orchestrator/engine/b.ts:1 takes values from common/ulids.ts, which is not pure']);
  });
});

describe('exported names', () => {
  it('mean one thing each, of whichever kind they are', () => {
    const faults = faultsOf({
      'worker/a.ts': 'export interface Part {}\nexport const one = 1;\nexport { one as uno };\n',
      'cli/b.ts': 'export type Part = string;\nexport function one(): void {}\nexport const uno = 1;\n',
    });
    expect(faults).toEqual(
      ['Part', 'one', 'uno'].map((name) => `${name} is declared by cli/b.ts and worker/a.ts: one name means one thing`),
    );
  });

  it('may be declared several times in one file, not be exported, and be exported from another file', () => {
    const faults = faultsOf({
      'worker/a.ts':
        'export function f(a: 1): 1;\nexport function f(a: 2): 2;\nexport function f(a: number) { return a; }\n',
      'cli/b.ts': 'const f = 1;\nexport const g = f;\n',
      'cli/c.ts': "export { f } from './d.ts';\n",
    });
    expect(faults).toEqual([]);
  });
});
