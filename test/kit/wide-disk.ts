/** A disk of an engine on which there is space for everything, for tests of what is above it. */
import { defaultDiskSettings, type EngineDisk } from '../../worker/runtime/docker/disk/disk.ts';

export const wideDisk = (): EngineDisk => ({
  settings: defaultDiskSettings,
  sized: {
    ensure: async () => {},
    attached: async () => {},
    tried: async () => {},
    attachedFor: async () => {},
    forget: () => {},
    remove: async () => {},
    obstacle: () => undefined,
    works: () => true,
  },
  storageOpt: { with: (_bytes, create) => create({}), forget: () => {}, works: () => false },
  space: async () => undefined,
  roomFor: async () => {},
  guarded: (_what, signal, work) => work(signal),
  measure: async () => [],
  engineAway: () => {},
  removed: () => {},
  check: () => ({ name: 'disk', ok: true, message: 'There is space.' }),
});
