import { expect, it } from 'vitest';
import type { EventRecord } from '../core/records.ts';
import { createLiveEvent, type LiveEvent } from '../views/event.ts';
import { RecentEvents } from './recent-events.ts';

const worker = { workerId: 'w', condition: 'ready', reason: '', cordoned: false } as const;
const event = (seq: number): LiveEvent => {
  const body = { kind: 'worker', worker: { ...worker, runtime: '', version: '', engineVersion: '' } } as const;
  const record: EventRecord = {
    seq,
    eventId: `e${seq}`,
    userId: '',
    botId: '',
    botSeq: 0,
    subjectId: 'w',
    body,
    at: 0,
  };
  return createLiveEvent(record, () => '');
};
const all = () => true;
const seqs = (events: readonly LiveEvent[] | undefined) => events?.map(({ record }) => record.seq);
const none = async () => [];

it('has the newest, and says of a place before them that it does not know', () => {
  const recent = new RecentEvents(3, 10, none);
  expect(seqs(recent.after(10, all, 9))).toEqual([]);
  expect(recent.after(9, all, 9)).toBeUndefined();
  // Numbers may be left out.
  for (const seq of [11, 12, 14, 15, 16]) recent.add(event(seq));
  expect(seqs(recent.after(10, all, 9))).toEqual([11, 12, 14, 15, 16]);
  recent.add(event(17));
  expect(recent.after(13, all, 9)).toBeUndefined();
  expect(seqs(recent.after(14, all, 9))).toEqual([15, 16, 17]);
  expect(seqs(recent.after(14, ({ record }) => record.seq !== 15, 1))).toEqual([16]);
  expect(recent.find(16)).toBe(recent.after(15, all, 1)?.[0]);
  expect(recent.find(13)).toBeUndefined();
});

it('reads what was before its time once, for all who ask', async () => {
  const asked: number[][] = [];
  const recent = new RecentEvents(3, 10, async (...place) => {
    asked.push(place);
    // The store has gone on meanwhile.
    return [8, 10, 11].map(event);
  });
  await recent.reachBack(10);
  expect(asked).toEqual([]);
  const first = recent.reachBack(8);
  recent.add(event(11));
  await Promise.all([first, recent.reachBack(2)]);
  expect(asked).toEqual([[7, 3]]);
  expect(seqs(recent.after(7, all, 9))).toEqual([8, 10, 11]);
  expect(recent.after(6, all, 9)).toBeUndefined();
});

it('is of no use, and does no harm, when the store cannot be read', async () => {
  const recent = new RecentEvents(3, 10, async () => {
    throw new Error('the disk is gone');
  });
  await recent.reachBack(8);
  expect(recent.after(8, all, 9)).toBeUndefined();
  recent.add(event(11));
  expect(seqs(recent.after(10, all, 9))).toEqual([11]);
});
