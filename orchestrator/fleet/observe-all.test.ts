import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { BotObservationSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { observeAll } from './observe-all.ts';

const reports = (count: number) => Array.from({ length: count }, () => create(BotObservationSchema, {}));

/** How many reports each commit had. */
async function observed(count: number): Promise<readonly number[]> {
  const sizes: number[] = [];
  const observe = async (_workerId: string, slice: readonly unknown[]) => void sizes.push(slice.length);
  await observeAll({ observe }, 'worker', reports(count));
  return sizes;
}

describe('the reports of a worker', () => {
  it('hostile 103: are applied in slices', async () => {
    expect(await observed(0)).toEqual([]);
    expect(await observed(256)).toEqual([256]);
    expect(await observed(600)).toEqual([256, 256, 88]);
  });

  it('hostile 103: are refused as a whole when they are more than any worker has', async () => {
    const sizes: number[] = [];
    const observe = async () => void sizes.push(1);
    await expect(observeAll({ observe }, 'worker', reports(100_000))).rejects.toThrow('A message reports 100000 bots');
    expect(sizes).toEqual([]);
  });
});
