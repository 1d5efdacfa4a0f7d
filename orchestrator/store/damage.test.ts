/** Stores that a failing disk has changed: found at the start, and in use. */
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ProblemError } from '#common/problem.ts';
import { publicRoutes } from '../server/rest/pages/public-routes.ts';
import { StoreDamagedError } from './damage.ts';
import { openSqliteStore } from './sqlite.ts';
import type { Store } from './store.ts';

let dir: string;
let store: Store | undefined;
const path = () => join(dir, 'store.sqlite');
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'damage-'));
});
afterEach(async () => {
  await store?.close();
  store = undefined;
  rmSync(dir, { recursive: true });
});

const chunkBytes = 200_000;
/** Larger than what SQLite keeps in memory. */
async function fill(chunks: number): Promise<void> {
  store = openSqliteStore(dir);
  for (let n = 0; n < chunks; n++) {
    await store.change([], (tx) => tx.artifacts.addChunk('upload', n, new Uint8Array(chunkBytes).fill(n + 1)));
  }
  await store.change([], (tx) => tx.artifacts.finish('upload', 'a'.repeat(64), chunks * chunkBytes, 1));
  for (let n = 0; n < 500; n++) {
    await store.change([], (tx) =>
      tx.outbox.add({
        eventId: `e${n}`,
        userId: 'dev',
        botId: 'b',
        botSeq: n,
        subjectId: 'b',
        body: { kind: 'worker', worker: {} as never },
        at: n,
      }),
    );
  }
}
async function close(): Promise<void> {
  await store?.close();
  store = undefined;
}
function overwrite(from: number, bytes: number): void {
  const file = openSync(path(), 'r+');
  writeSync(file, Buffer.alloc(bytes, 0xff), 0, bytes, from);
  closeSync(file);
}

it.each([
  ['its head is gone', () => overwrite(0, 100)],
  ['it is another file', () => writeFileSync(path(), 'this is no database, and never was one. '.repeat(200))],
  ['its tables are gone', () => overwrite(4096, 60 * 4096)],
  ['its end is gone', () => truncateSync(path(), Math.floor(statSync(path()).size / 8192) * 4096)],
])('is refused with the cure when %s, and not changed', async (_name, damage) => {
  await fill(1);
  await close();
  damage();
  const before = readFileSync(path());
  expect(() => openSqliteStore(dir)).toThrow(StoreDamagedError);
  expect(() => openSqliteStore(dir)).toThrow(/is damaged.*not changed.*Restore a backup/s);
  expect(readFileSync(path()).equals(before)).toBe(true);
});

it('that is damaged while it is used answers UNAVAILABLE, and is never reported as sound again', async () => {
  await fill(100);
  const opened = store as Store | undefined;
  if (opened === undefined) throw new Error('not opened');
  expect(opened.trouble()).toBeUndefined();
  overwrite(4096, statSync(path()).size - 4096);
  const readAll = async () => {
    for (let n = 0; n < 100; n++) await opened.chunks.chunk('upload', n);
  };
  await expect(readAll()).rejects.toThrow(ProblemError);
  await expect(readAll()).rejects.toThrow('The store of the orchestrator is damaged');
  expect(opened.trouble()).toContain('the store is damaged');
  await opened.change([], () => undefined).catch(() => undefined);
  expect(opened.trouble()).toContain('the store is damaged');
});

it('makes /health fail', async () => {
  const get = async (trouble?: string) => {
    const route = publicRoutes(() => trouble).find(({ pattern }) => pattern.test('/health'));
    return route?.methods.GET?.handle({} as never);
  };
  expect(await get()).toEqual({ status: 200, body: { status: 'ok' } });
  expect(await get('the store is damaged')).toEqual({ status: 503, body: { status: 'failing' } });
});
