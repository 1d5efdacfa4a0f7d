/**
 * Whether the engine can limit a container's own layer (`--storage-opt size`): overlay2 on xfs with project quotas, btrfs, zfs. An
 * engine is asked once; that it refused is remembered until it was away.
 */
import { list, record, text } from '../answers.ts';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal } from '../engine-errors.ts';

export interface StorageOpt {
  /** Calls `create` with what belongs into HostConfig: the limit where it works, else nothing. */
  with<T>(bytes: number, create: (host: HostPart) => Promise<T>, signal: AbortSignal): Promise<T>;
  forget(): void;
  /** Undefined while it is not known. */
  works(): boolean | undefined;
}

export type HostPart = { readonly StorageOpt?: { readonly size: string } };

export function createStorageOpt(engine: EngineClient): StorageOpt {
  let works: boolean | undefined;
  return {
    async with(bytes, create, signal) {
      works ??= (await mayWork(engine, signal)) ? undefined : false;
      if (works === false) return create({});
      try {
        const made = await create({ StorageOpt: { size: String(bytes) } });
        works = true;
        return made;
      } catch (error) {
        if (!saysNoStorageOpt(error)) throw error;
        works = false;
        return create({});
      }
    },
    forget() {
      works = undefined;
    },
    works: () => works,
  };
}

/** By the words of the storage drivers; a failure of any other kind says nothing about it. */
export const saysNoStorageOpt = (error: unknown): boolean =>
  error instanceof EngineRefusal && /storage[- ]opt|pquota|quota size|unknown option "?size/i.test(error.text);

/** Of the drivers that never can, none is asked. */
async function mayWork(engine: EngineClient, signal: AbortSignal): Promise<boolean> {
  if ((await engine.kind(signal)) === 'podman') return false;
  const info = record(await engine.call({ method: 'GET', path: '/info' }, signal));
  const driver = text(info['Driver']);
  const status = new Map(list(info['DriverStatus']).map((pair) => [text(list(pair)[0]), text(list(pair)[1])]));
  return (
    driver === 'btrfs' || driver === 'zfs' || (driver === 'overlay2' && status.get('Backing Filesystem') === 'xfs')
  );
}
