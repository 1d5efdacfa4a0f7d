import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { botRecord, changed } from '../core/bot/record.ts';
import { migrations } from './schema.ts';
import { migrate, openSqliteStore, SchemaTooNewError } from './sqlite.ts';
import { aBot } from './testing/rows.ts';

const bot = botRecord({
  userId: 'ann',
  botId: 'echo',
  mode: 'simple',
  desired: 'running',
  generation: 2,
  revision: 1,
  epoch: 1,
  workerId: 'w1',
  leaving: true,
  memoryBytes: 256,
  cpuMillis: 500,
  specSealed: new Uint8Array([1, 2, 3]),
  purge: true,
  pendingTask: null,
  undo: { desired: 'stopped', revision: 0, wasUp: true, specSealed: null },
  state: 'running',
  observed: { containerId: 'c1', restarts: 2 },
  observedAt: 5,
  runsSince: 3,
  stopsAt: 9,
  ageWarned: true,
  notice: 'soon',
  decidedSeq: 8,
  eventSeq: 7,
  createdAt: 1,
  updatedAt: 2,
});

describe('the SQLite store', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'store-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('gives back what was written, also after it was opened again', async () => {
    const first = openSqliteStore(dir);
    await first.change([], (tx) => tx.bots.put(bot));
    expect(await first.look([], (tx) => tx.bots.get(bot))).toEqual(bot);
    await first.close();
    const second = openSqliteStore(dir);
    expect(await second.look([], (tx) => tx.bots.get(bot))).toEqual(bot);
    expect(await second.look([], (tx) => tx.bots.get({ userId: 'ann', botId: 'Echo' }))).toBeUndefined();
    await second.close();
  });

  it('keeps the space of its log when the log is emptied of what must not stay there', async () => {
    const store = openSqliteStore(dir);
    const logBytes = () => statSync(join(dir, 'store.sqlite-wal')).size;
    const atFirst = logBytes();
    await store.change([], (tx) => tx.bots.put(bot));
    await store.upkeep.forgetPlainChunks();
    expect(logBytes()).toBe(atFirst);
    expect(readFileSync(join(dir, 'store.sqlite-wal')).every((byte) => byte === 0)).toBe(true);
    const other = aBot('other');
    await store.change([], (tx) => tx.bots.put(other));
    await store.close();
    const again = openSqliteStore(dir);
    expect(await again.look([], (tx) => [tx.bots.get(bot), tx.bots.get(other)])).toEqual([bot, other]);
    await again.close();
  });

  it('undoes a write that throws, and only that one of its turn', async () => {
    const store = openSqliteStore(dir);
    const good = store.change([], (tx) => tx.bots.put(bot));
    const bad = store.change([], (tx) => {
      tx.bots.put(changed(bot, { botId: 'bad' }));
      throw new Error('no');
    });
    const other = store.change([], (tx) => tx.bots.put(changed(bot, { botId: 'other' })));
    await expect(bad).rejects.toThrow('no');
    await Promise.all([good, other]);
    expect((await store.look([], (tx) => tx.bots.ofUser('ann'))).map(({ botId }) => botId)).toEqual(['echo', 'other']);
    await store.close();
  });

  it('shares one commit among the writes of one turn', async () => {
    // Without space of its own the log is as long as what is in it.
    const store = openSqliteStore(dir, undefined, { ownBytes: 0 });
    await store.change([], (tx) => tx.bots.put(bot));
    const before = statSync(join(dir, 'store.sqlite-wal')).size;
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => store.change([], (tx) => tx.bots.put(changed(bot, { generation: n })))),
    );
    const together = statSync(join(dir, 'store.sqlite-wal')).size - before;
    for (let n = 0; n < 50; n++) await store.change([], (tx) => tx.bots.put(changed(bot, { generation: n })));
    const oneByOne = statSync(join(dir, 'store.sqlite-wal')).size - before - together;
    // Each commit writes the changed page again.
    expect(oneByOne).toBeGreaterThan(together * 10);
    await store.close();
  });

  it('numbers the events of all and lets them be read on from any number', async () => {
    const store = openSqliteStore(dir);
    const { specSealed: _, undo: _undo, purge: _purge, ...shown } = bot;
    const body = { kind: 'bot' as const, bot: shown };
    const event = { userId: 'ann', botId: 'echo', subjectId: 'echo', body, at: 3 };
    const seqs = await store.change([], (tx) =>
      ['x', 'y', 'z'].map((eventId, index) => tx.outbox.add({ ...event, eventId, botSeq: index + 1 }).seq),
    );
    expect(seqs).toEqual([1, 2, 3]);
    expect((await store.events.after(1, 10)).map(({ eventId }) => eventId)).toEqual(['y', 'z']);
    await store.close();
  });

  it('keeps its files from other users of the machine', async () => {
    const store = openSqliteStore(dir);
    expect(statSync(join(dir, 'store.sqlite')).mode & 0o077).toBe(0);
    await store.close();
  });

  it('is not shared by two orchestrators', async () => {
    const store = openSqliteStore(dir);
    await store.change([], (tx) => tx.bots.put(bot));
    expect(() => openSqliteStore(dir)).toThrow(/locked|busy/);
    await store.close();
  });

  it('refuses a store of a newer release', () => {
    const db = new DatabaseSync(join(dir, 'store.sqlite'));
    db.exec(`PRAGMA user_version = ${migrations.length + 1}`);
    db.close();
    expect(() => openSqliteStore(dir)).toThrow(SchemaTooNewError);
  });

  it('runs each migration once, and none by halves', () => {
    const db = new DatabaseSync(':memory:');
    const steps = ['CREATE TABLE a (x INTEGER) STRICT', 'CREATE TABLE b (x INTEGER) STRICT'];
    expect(migrate(db, steps)).toBe(2);
    expect(migrate(db, steps)).toBe(2);
    expect(() => migrate(db, [...steps, 'CREATE TABLE c (x INTEGER) STRICT; CREATE TABLE a (x)'])).toThrow(/exists/);
    if (db.isTransaction) db.exec('ROLLBACK');
    expect(db.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'c'").get()).toEqual({ n: 0 });
  });

  it('finishes an upload once and drops one that has no end', async () => {
    const store = openSqliteStore(dir);
    await store.change([], (tx) => {
      tx.artifacts.addChunk('u1', 0, Buffer.from('one'));
      tx.artifacts.finish('u1', 'sha', 3, 1);
      tx.artifacts.addChunk('u2', 0, Buffer.from('one'));
      tx.artifacts.finish('u2', 'sha', 3, 1);
      tx.artifacts.addChunk('u3', 0, Buffer.from('lost'));
    });
    expect([...(await store.upkeep.unfinishedUploads())].sort()).toEqual(['u2', 'u3']);
    for (const upload of ['u2', 'u3']) await store.upkeep.removeChunks(upload, 9);
    expect(await store.look([], (tx) => tx.artifacts.get('sha'))).toMatchObject({
      uploadId: 'u1',
      sizeBytes: 3,
    });
    expect(await store.chunks.chunk('u2', 0)).toBeUndefined();
    expect(await store.chunks.chunk('u3', 0)).toBeUndefined();
    await store.close();
  });
});
