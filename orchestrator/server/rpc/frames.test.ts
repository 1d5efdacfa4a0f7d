import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FrameCutter, FrameTooLongError } from './frames.ts';

const frame = ({ flags, data }: { flags: number; data: Uint8Array }): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(data.length, 1);
  return Buffer.concat([head, data]);
};
const frames = fc.array(fc.record({ flags: fc.nat(255), data: fc.uint8Array({ maxLength: 40 }) }), { maxLength: 8 });

it('cuts the same frames from the same bytes, whatever pieces they come in', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(20)), fc.nat(4), (wanted, sizes, missing) => {
      const whole = Buffer.concat(wanted.map(frame));
      const bytes = whole.subarray(0, Math.max(0, whole.length - missing));
      const cutter = new FrameCutter();
      const found = [];
      let at = 0;
      for (const size of [...sizes, bytes.length]) {
        found.push(...cutter.cut(bytes.subarray(at, at + size)));
        at += size;
      }
      const complete = bytes.length === whole.length;
      if (complete) expect(found).toHaveLength(wanted.length);
      expect(found.map(frame)).toEqual(wanted.slice(0, found.length).map(frame));
      const left = bytes.length - Buffer.concat(found.map(frame)).length;
      expect(cutter.isInFrame).toBe(left > 0);
    }),
  );
});

it('refuses a frame that is too long by its head, before it has come', () => {
  const cutter = new FrameCutter(4);
  expect(cutter.cut(frame({ flags: 0, data: new Uint8Array(4) }))).toHaveLength(1);
  expect(() => cutter.cut(Buffer.from([0, 0, 0, 0, 5]))).toThrow(FrameTooLongError);
});

it('keeps the bytes of a frame that is not whole, and not the piece of memory that they came in', () => {
  const whole = frame({ flags: 0, data: Buffer.from('a message') });
  const cutter = new FrameCutter();
  for (const byte of whole.subarray(0, -1)) {
    const piece = Buffer.from([byte]);
    expect(cutter.cut(piece)).toEqual([]);
    piece.fill(0);
  }
  const [cut] = cutter.cut(whole.subarray(-1));
  expect(Buffer.from(cut?.data ?? []).toString()).toBe('a message');
});
