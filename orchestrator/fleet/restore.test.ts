import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HelloSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { createRecordingLogger } from '../../test/kit/recording-logger.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import { Restore } from './restore.ts';

let dir: string;
let store: Store;
const { logger, lines, fields } = createRecordingLogger();

beforeEach(() => {
  lines.length = 0;
  fields.length = 0;
  dir = mkdtempSync(join(tmpdir(), 'restore-'));
  store = openSqliteStore(dir);
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

const worker = {
  runtime: 'docker',
  memoryBytes: 1,
  cpuMillis: 1,
  labels: {},
  capabilities: [],
  bootId: '',
  engineVersion: '',
  version: '',
  firstSeenAt: 0,
  lastSeenAt: 0,
};
const open = () => Restore.open({ store, logger, accepted: undefined }, 0);
/** From a worker that has a bot from a history unknown to this store. */
const hello = (knownBefore: string) =>
  create(HelloSchema, {
    workerId: 'w',
    openings: [
      { id: knownBefore, fromSeq: 0n, after: '' },
      { id: 'later', fromSeq: 5n, after: knownBefore },
    ],
    snapshot: [{ userId: 'dev', botId: 'b', generation: 1n, epoch: 1n, decided: { opening: 'later', seq: 7n } }],
  });

describe('a worker that knows later decisions than the store', () => {
  it('is reported as one of a store that was set back, once, however often it connects', async () => {
    const restore = await open();
    const [first] = await store.look([], (tx) => tx.openings.all());
    for (let count = 0; count < 3; count++) await restore.meet(hello(first?.id ?? ''));
    expect(lines).toEqual([expect.stringContaining('error the store was set back')]);
  });

  it('is reported without lists that are empty', async () => {
    const restore = await open();
    const [first] = await store.look([], (tx) => tx.openings.all());
    await restore.meet(hello(first?.id ?? ''));
    expect(fields).toEqual([{ workerId: 'w', kept: ['dev/b'] }]);
  });

  it('that is accepted names the workers that have to connect', async () => {
    const restore = await open();
    const [first] = await store.look([], (tx) => tx.openings.all());
    await restore.meet(hello(first?.id ?? ''));
    const id = /ACCEPT_RESTORE=(\w+)/.exec(lines[0] ?? '')?.[1];
    await store.change([], (tx) => {
      for (const workerId of ['w', 'z']) tx.workers.put({ ...worker, workerId });
    });
    await Restore.open({ store, logger, accepted: id }, 1);
    expect(fields.at(-1)).toEqual({ accepted: id, workers: ['w', 'z'] });
    expect(lines.at(-1)).toContain('runs twice until the worker it had moved to does');
  });

  it('and nothing of the store itself is reported as one of another store', async () => {
    const restore = await open();
    for (let count = 0; count < 3; count++) await restore.meet(hello('unknown'));
    expect(lines).toEqual([expect.stringContaining('belong to another store than this one')]);
  });
});
