import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { TaskResultSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { ResultJournal } from './result-journal.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'journal-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const result = (taskId: string) =>
  create(TaskResultSchema, { taskId, outcome: { case: 'succeeded', value: { replaced: true } } });

describe('the journal of results', () => {
  it('keeps a result across restarts until it is acknowledged', async () => {
    const journal = await ResultJournal.open(dir, silentLogger);
    await journal.add(result('../t/1'));
    await journal.add(result('t2'));
    const again = await ResultJournal.open(dir, silentLogger);
    expect([...again.pending].sort()).toEqual(['../t/1', 't2']);
    expect(again.get('t2')).toEqual(result('t2'));
    again.acknowledge('t2');
    again.acknowledge('t2');
    await again.close();
    expect(again.pending).toEqual(['../t/1']);
    expect((await ResultJournal.open(dir, silentLogger)).pending).toEqual(['../t/1']);
  });

  it('still knows acknowledged results for a command that comes again, but not without bound', async () => {
    const journal = await ResultJournal.open(dir, silentLogger);
    for (let n = 0; n < 300; n += 1) {
      void journal.add(result(`t${n}`));
      journal.acknowledge(`t${n}`);
    }
    await journal.close();
    expect(journal.get('t299')).toBeDefined();
    expect(journal.get('t0')).toBeUndefined();
    expect(await readdir(dir)).toEqual([]);
  });

  it('sets a damaged file aside and continues with the others', async () => {
    const journal = await ResultJournal.open(dir, silentLogger);
    await journal.add(result('good'));
    await writeFile(join(dir, 'bad.result'), Buffer.from([0xff, 0xff, 0xff]));
    expect((await ResultJournal.open(dir, silentLogger)).pending).toEqual(['good']);
    expect(await readdir(dir)).toContain('bad.result.damaged');
  });

  it('continues without the disk', async () => {
    const journal = await ResultJournal.open(dir, silentLogger);
    await rm(dir, { recursive: true });
    await journal.add(result('t1'));
    expect(journal.pending).toEqual(['t1']);
  });
});
