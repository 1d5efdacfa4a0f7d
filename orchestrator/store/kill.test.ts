/** kill -9 of a program that writes to the store: what was answered is there, and what is in memory afterwards is what is on disk. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { openSqliteStore } from './sqlite.ts';

const kills = 5;
const answersOfRun = 200;

interface Answer {
  readonly seq: number;
  readonly n: number;
  readonly botId: string;
}

/** Runs the writer until it has said enough, and kills it. */
async function writeUntilKilled(dir: string): Promise<readonly Answer[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'testing', 'writer.ts'), dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  const ended = once(child, 'exit');
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (part: string) => {
    text += part;
    if (text.split('\n').length > answersOfRun) child.kill('SIGKILL');
  });
  await ended;
  // What it said last may be cut off.
  return text
    .slice(0, text.lastIndexOf('\n'))
    .split('\n')
    .map((line) => line.split(' '))
    .map(([seq = '', n = '', botId = '']) => ({ seq: Number(seq), n: Number(n), botId }));
}

test(`${kills} times: no answered write is lost, none is there by half, and events have no hole`, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'store-kill-'));
  try {
    let answered = 0;
    let generations = 0;
    for (let kill = 0; kill < kills; kill++) {
      const answers = await writeUntilKilled(dir);
      expect(answers.length).toBeGreaterThan(answersOfRun / 2);
      answered += answers.length;
      const store = openSqliteStore(dir);
      const last = store.lastSeq();
      for (const { seq, n, botId } of answers) {
        const job = await store.look([], (tx) => tx.jobs.get(`job-${n}`));
        expect(job).toMatchObject({ botId });
        expect(await store.look([], (tx) => tx.jobs.steps(`job-${n}`))).toEqual([{ state: 'init', at: n }]);
        expect((await store.look([], (tx) => tx.tasks.get(`task-${n}`)))?.status).toBe(
          job?.status === 'completed' ? 'done' : 'accepted',
        );
        expect(await store.events.after(seq - 1, 1)).toMatchObject([{ seq, botId }]);
      }
      const bots = await store.look([], (tx) => tx.bots.ofUser('ann'));
      generations = bots.reduce((sum, bot) => sum + bot.generation, 0);
      // Each write raised one generation and added one event: all of it or nothing.
      expect(generations).toBe(last);
      expect(last).toBeGreaterThanOrEqual(answered);
      const reserved = await store.look([], (tx) =>
        ['w0', 'w1', 'w2'].reduce((sum, id) => sum + tx.bots.reservedOn(id).cpuMillis, 0),
      );
      expect(reserved).toBe(bots.length * 500);
      const open = (await store.look([], (tx) => bots.flatMap((bot) => tx.jobs.openOfBot(bot)))).map(
        ({ jobId }) => jobId,
      );
      await store.close();
      const db = new DatabaseSync(join(dir, 'store.sqlite'));
      const rows = db.prepare("SELECT job_id FROM jobs WHERE status = 'running'").all();
      expect(open.sort()).toEqual(rows.map((row) => String(row['job_id'])).sort());
      const seqs = db.prepare('SELECT min(seq) AS low, max(seq) AS high, count(*) AS n FROM outbox').get();
      expect(seqs).toEqual({ low: 1, high: last, n: last });
      db.close();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
