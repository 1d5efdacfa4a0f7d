/** Calls of the engine that mount the volumes of a bot. */
import { EngineRefusal } from '../engine-errors.ts';
import { volumesIn } from './sized-names.ts';
import type { SizedVolumes } from './sized-volumes.ts';

/** Tries once more with all devices attached, when the engine could not mount a volume: a restart of the machine detaches them. */
export async function withDevices<T>(sized: SizedVolumes, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof EngineRefusal) || !/failed to mount local volume/.test(error.text)) throw error;
    await sized.attachedFor(volumesIn(error.text), signal);
    return work();
  }
}
