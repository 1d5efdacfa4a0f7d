/** A program that writes to the store in DIR until it is killed, and says of each write that it was answered. */
import { writeSync } from 'node:fs';
import { openSqliteStore } from '../sqlite.ts';
import { aBot, aJob, anEvent, aTask } from './rows.ts';

const store = openSqliteStore(process.argv[2] ?? '');
const from = store.lastSeq();
let next = from;

async function client(): Promise<void> {
  for (;;) {
    const n = next++;
    const botId = `b${n % 16}`;
    const seq = await store.change(
      [],
      (tx) => {
        const before = tx.bots.get({ userId: 'ann', botId });
        tx.bots.put(aBot(botId, { generation: (before?.generation ?? 0) + 1, workerId: `w${n % 3}` }));
        const done = n % 3 === 0 ? ('completed' as const) : ('running' as const);
        tx.jobs.put(aJob(`job-${n}`, botId, done));
        tx.jobs.addStep(`job-${n}`, 'init', n);
        tx.tasks.put(aTask(`task-${n}`, `job-${n}`, done === 'completed' ? 'done' : 'accepted'));
        return tx.outbox.add(anEvent(`event-${from}-${n}`, botId)).seq;
      },
      n % 2 === 0 ? 'now' : 'soon',
    );
    // At once, so that nothing that was said is lost with the process.
    writeSync(1, `${seq} ${n} ${botId}\n`);
  }
}
await Promise.all(Array.from({ length: 32 }, client));
