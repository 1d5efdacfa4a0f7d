/** How the file systems of bots are called. Pure. */
import { type JsonRecord, record, texts } from '../answers.ts';

/** The volume of the engine that holds the files with these file systems. */
export const storeVolume = 'bot_runner_disks';
/** Its label with the name under which this engine's devices are known on the machine, which may have several engines. */
export const storeLabel = 'bot_runner.disks';

/** Label of volumes of bots that were made since there are limits. */
export const limitedLabel = 'limited';

const devices = '/dev/bot_runner';

/** A link, and not the device itself: a device has another number each time it is attached, and a volume's device cannot be changed. */
const deviceLink = (store: string, volume: string): string => `${devices}/${store}/${volume}`;

/** The volumes whose devices an engine's complaint names. */
export const volumesIn = (text: string): readonly string[] =>
  [...text.matchAll(/\/dev\/bot_runner\/[0-9a-f]+\/([A-Za-z0-9_.-]{1,128})/g)].map(([, name = '']) => name);

/** What the engine mounts. What a bot deletes is given back to the host; nothing in it gets rights or is a device. */
export const sizedOptions = (store: string, volume: string) => ({
  type: 'ext4',
  device: deviceLink(store, volume),
  o: 'nosuid,nodev,noatime,discard',
});

/** By the engine's answer about the volume. */
export const isSizedVolume = (volume: JsonRecord): boolean =>
  (texts(record(volume)['Options'])['device'] ?? '').startsWith(`${devices}/`);
