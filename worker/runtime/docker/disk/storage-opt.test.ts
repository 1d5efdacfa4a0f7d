import { describe, expect, it } from 'vitest';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal } from '../engine-errors.ts';
import { createStorageOpt, type HostPart } from './storage-opt.ts';

const signal = AbortSignal.timeout(5000);

function engine(driver: string, backing = 'extfs', kind: 'docker' | 'podman' = 'docker'): EngineClient {
  return {
    kind: async () => kind,
    api: async () => 41,
    call: async () => ({ Driver: driver, DriverStatus: [['Backing Filesystem', backing]] }),
    stream: () => Promise.reject(new Error('nothing is streamed here')),
  };
}

/** What Docker 20.10 says on an xfs without project quotas. */
const noQuota = new EngineRefusal(
  500,
  "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
);

async function created(opt: ReturnType<typeof createStorageOpt>, refusal?: Error): Promise<readonly HostPart[]> {
  const parts: HostPart[] = [];
  await opt.with(
    1024,
    async (part) => {
      parts.push(part);
      if (refusal !== undefined && part.StorageOpt !== undefined) throw refusal;
    },
    signal,
  );
  return parts;
}

describe('the size of a container', () => {
  it('is limited by the engine where its driver can', async () => {
    for (const able of [engine('overlay2', 'xfs'), engine('btrfs'), engine('zfs')]) {
      const opt = createStorageOpt(able);
      expect(await created(opt)).toEqual([{ StorageOpt: { size: '1024' } }]);
      expect(opt.works()).toBe(true);
    }
  });

  it('is not asked for where it never can be', async () => {
    for (const unable of [engine('overlay2'), engine('overlayfs', 'xfs'), engine('btrfs', '', 'podman')]) {
      expect(await created(createStorageOpt(unable))).toEqual([{}]);
    }
  });

  it('is asked for once where it is refused, and again after the engine was away', async () => {
    const opt = createStorageOpt(engine('overlay2', 'xfs'));
    expect(await created(opt, noQuota)).toEqual([{ StorageOpt: { size: '1024' } }, {}]);
    expect(await created(opt, noQuota)).toEqual([{}]);
    expect(opt.works()).toBe(false);
    opt.forget();
    expect(await created(opt)).toEqual([{ StorageOpt: { size: '1024' } }]);
  });

  it('is not given up for a failure of another kind', async () => {
    const opt = createStorageOpt(engine('overlay2', 'xfs'));
    await expect(created(opt, new EngineRefusal(409, 'the name is in use'))).rejects.toMatchObject({ status: 409 });
    expect(opt.works()).toBeUndefined();
  });
});
