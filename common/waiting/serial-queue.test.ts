import { describe, expect, it } from 'vitest';
import { KeyedSerialQueue, SerialQueue } from './serial-queue.ts';

/** Work that records when it begins, and ends when released. */
function piecesOf(seen: string[]) {
  const ends = new Map<string, () => void>();
  return {
    of: (name: string) => () => {
      seen.push(name);
      return new Promise<string>((resolve) => ends.set(name, () => resolve(name)));
    },
    end: (name: string) => ends.get(name)?.(),
  };
}

describe('a serial queue', () => {
  it('begins a piece when those before it have settled, good or bad, and gives each caller its own result', async () => {
    const queue = new SerialQueue();
    const seen: string[] = [];
    const pieces = piecesOf(seen);
    const first = queue.run(pieces.of('a'));
    const failed = queue.run(() => Promise.reject(new Error('b')));
    const last = queue.run(async () => seen.push('c'));
    await Promise.resolve();
    expect(seen).toEqual(['a']);
    pieces.end('a');
    expect(await first).toBe('a');
    await expect(failed).rejects.toThrow('b');
    await last;
    expect(seen).toEqual(['a', 'c']);
  });

  it('is idle when all has settled that was asked for', async () => {
    const queue = new SerialQueue();
    await queue.idle();
    const seen: string[] = [];
    void queue.run(() => Promise.reject(new Error('nobody hears of it but its caller'))).catch(() => undefined);
    void queue.run(async () => seen.push('done'));
    await queue.idle();
    expect(seen).toEqual(['done']);
  });
});

describe('a keyed serial queue', () => {
  it('holds up no key for another, and keeps nothing of those that are done', async () => {
    const queue = new KeyedSerialQueue();
    const seen: string[] = [];
    const pieces = piecesOf(seen);
    const all = [queue.run('x', pieces.of('x1')), queue.run('x', pieces.of('x2')), queue.run('y', pieces.of('y1'))];
    const failed = queue.run('z', () => Promise.reject(new Error('z')));
    await expect(failed).rejects.toThrow('z');
    expect(seen).toEqual(['x1', 'y1']);
    expect(queue.size).toBe(2);
    pieces.end('x1');
    await all[0];
    pieces.end('y1');
    await all[2];
    expect(seen).toEqual(['x1', 'y1', 'x2']);
    pieces.end('x2');
    await Promise.all(all);
    expect(queue.size).toBe(0);
  });
});
