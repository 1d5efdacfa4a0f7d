import { expect, test } from 'vitest';
import type { EventRecord } from '../../core/records.ts';
import { anEvent } from '../testing/rows.ts';
import { createWorkspace } from './workspace.ts';

const workspace = () => createWorkspace({ isWhole: () => true, isKept: () => true }, 0);
const keyOf = (botId: string) => ({ userId: 'ann', botId });

test('the newest event of a bot is that of the batch, without those that were taken back', () => {
  const { tables, undo, keep } = workspace();
  tables.outbox.add(anEvent('a1', 'a', 1));
  tables.outbox.add(anEvent('b1', 'b', 1));
  const begun = undo.mark();
  tables.outbox.add(anEvent('a2', 'a', 2));
  tables.outbox.add(anEvent('c1', 'c', 1));
  expect(tables.outbox.lastBotSeq(keyOf('a'))).toBe(2);
  expect(tables.outbox.latestOfBot(keyOf('a'))?.eventId).toBe('a2');
  undo.back(begun);
  expect(tables.outbox.latestOfBot(keyOf('a'))?.eventId).toBe('a1');
  expect(tables.outbox.lastBotSeq(keyOf('c'))).toBe(0);
  keep();
  // From then on it is read where events are kept.
  expect(tables.outbox.latestOfBot(keyOf('a'))).toBeUndefined();
});

test('what the events of a batch cost does not grow with how many there are', () => {
  const { tables } = workspace();
  let looks = 0;
  const counted = (event: Omit<EventRecord, 'seq'>) => {
    const { kind } = event.body;
    const body = Object.defineProperty({ ...event.body }, 'kind', {
      enumerable: true,
      get: () => {
        looks += 1;
        return kind;
      },
    });
    return { ...event, body };
  };
  for (let n = 0; n < 1_000; n++) {
    const botId = `b${n}`;
    const botSeq = tables.outbox.lastBotSeq(keyOf(botId)) + 1;
    tables.outbox.add(counted(anEvent(`e${n}`, botId, botSeq)));
  }
  expect(looks).toBeLessThan(10_000);
});
