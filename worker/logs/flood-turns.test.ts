/** Bots that flood take turns, two at a time, and hold nobody else up. On a runtime whose reads end when the test answers them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { whenAborted } from '#common/waiting/abort.ts';
import { eventually } from '../../test/kit/eventually.ts';
import type { OutputBatch } from '../runtime/container-runtime.ts';
import { BotLogs } from './bot-logs.ts';

interface Read {
  readonly bot: string;
  readonly answer: (batch: OutputBatch) => void;
}

const flooding = ['f1', 'f2', 'f3', 'f4'];

let dir: string;
let logs: BotLogs;
/** Those that have begun and were not answered. */
let reads: Read[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'flood-turns-'));
  reads = [];
  const runtime = {
    readOutput: (bot: string, _after: string | undefined, _maxBytes: number, signal: AbortSignal) =>
      new Promise<OutputBatch>((answer, reject) => {
        reads.push({ bot, answer });
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
    watchOutput: (_id: string, _ring: () => void, ended: AbortSignal) => whenAborted(ended),
  };
  logs = new BotLogs(dir, { runtime, clock: systemClock, logger: silentLogger });
});
afterEach(async () => {
  await logs.close();
  await rm(dir, { recursive: true });
});

const logOf = (bot: string) => logs.of({ userId: 'ana', botId: bot });

function answer(bot: string, more: boolean): void {
  const read = reads.find((one) => one.bot === bot);
  if (read === undefined) throw new Error(`nothing of ${bot} is being read`);
  reads.splice(reads.indexOf(read), 1);
  read.answer({ lines: [{ timeNs: 1n, stream: 'stdout', text: bot }], cursor: 'place', gap: false, more });
}

const begun = (count: number) =>
  eventually(
    `${count} reads have begun`,
    () => reads.map(({ bot }) => bot),
    (bots) => bots.length === count,
    { timeoutMs: 10_000 },
  );

const stored = (bot: string, lines: number) =>
  eventually(
    `${lines} lines of ${bot} are stored`,
    () => logOf(bot).nextSeq(),
    (next) => next === lines + 1,
    { timeoutMs: 10_000 },
  );

it('hostile 84: lets two flooding bots read at a time, in turn, and a quiet one at once', async () => {
  for (const bot of [...flooding, 'quiet']) {
    logOf(bot).setSecrets([]);
    await logOf(bot).follow(bot);
  }
  await begun(5);
  for (const bot of flooding) answer(bot, true);
  await Promise.all(flooding.map((bot) => stored(bot, 1)));
  const [, first = '', second = ''] = await begun(3);
  // Both turns are taken.
  answer('quiet', false);
  await stored('quiet', 1);
  expect((await begun(3)).toSorted()).toEqual([first, second, 'quiet'].toSorted());
  answer(first, true);
  await stored(first, 2);
  const [third = ''] = (await begun(3)).filter((bot) => bot !== second && bot !== 'quiet');
  answer(second, true);
  await stored(second, 2);
  const [fourth = ''] = (await begun(3)).filter((bot) => bot !== third && bot !== 'quiet');
  expect([first, second, third, fourth].toSorted()).toEqual(flooding);
  // One that has caught up needs no turn any more, and leaves it to the next.
  answer(third, false);
  await stored(third, 2);
  expect(await begun(4)).toEqual(expect.arrayContaining(['quiet', third, fourth, first]));
});
