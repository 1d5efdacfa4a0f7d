import { describe, expect, it } from 'vitest';
import { LogStream, type StoredEntry } from './log-entry.ts';
import { RecentWrites } from './recent-writes.ts';
import type { Segment } from './segment-file.ts';

const segment = (bytes: number): Segment => ({ firstSeq: 1, path: 'x', bytes, newestMs: 0 });
const entries = (from: number, to: number, text = 'x'): StoredEntry[] =>
  Array.from({ length: to - from + 1 }, (_, n) => ({ seq: from + n, timeNs: 0n, stream: LogStream.STDOUT, text }));
const seqsOf = (recent: RecentWrites, seq: number) => recent.from(seq)?.entries.map((entry) => entry.seq);

describe('what was written last', () => {
  it('is all from an entry on, wherever in a write it stands, with the place behind it', () => {
    const recent = new RecentWrites();
    recent.add(entries(5, 6), segment(100));
    recent.add(entries(7, 7), segment(150));
    expect(seqsOf(recent, 5)).toEqual([5, 6, 7]);
    expect(seqsOf(recent, 6)).toEqual([6, 7]);
    expect(seqsOf(recent, 7)).toEqual([7]);
    expect(recent.from(6)?.offset).toBe(150);
  });

  it('is given out in parts, since a reader that stalls holds what it was given', () => {
    const recent = new RecentWrites();
    const text = 'x'.repeat(50 * 1024);
    for (let seq = 1; seq <= 5; seq += 1) recent.add(entries(seq, seq, text), segment(seq));
    const parts = [1, 3, 5].map((seq) => recent.from(seq));
    expect(parts.map((part) => part?.entries.map(({ seq }) => seq))).toEqual([[1, 2], [3, 4], [5]]);
    expect(parts.map((part) => part?.offset)).toEqual([2, 4, 5]);
  });

  it('has nothing from before it and nothing that is yet to come', () => {
    const recent = new RecentWrites();
    expect(recent.from(1)).toBeUndefined();
    recent.add(entries(5, 6), segment(100));
    expect(recent.from(4)).toBeUndefined();
    expect(recent.from(7)).toBeUndefined();
    recent.forget(6);
    expect(recent.from(6)).toBeUndefined();
  });

  it('is bounded: the oldest go first, the newest stays', () => {
    const recent = new RecentWrites();
    const text = 'x'.repeat(300 * 1024);
    for (let seq = 1; seq <= 10; seq += 1) recent.add(entries(seq, seq, text), segment(seq));
    expect(recent.from(7)).toBeUndefined();
    expect([8, 9, 10].map((seq) => seqsOf(recent, seq))).toEqual([[8], [9], [10]]);
    recent.add(entries(11, 11, text.repeat(10)), segment(11));
    expect(seqsOf(recent, 11)).toEqual([11]);
    expect(recent.from(10)).toBeUndefined();
  });
});
