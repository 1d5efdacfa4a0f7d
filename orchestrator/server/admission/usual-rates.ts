/** How often requests may come, unless a test says otherwise. */
import type { AdmissionRates } from './admission.ts';

const mib = 1024 * 1024;

export const usualRates = (callerPerSecond: number): AdmissionRates => ({
  open: { burst: 1_000, perSecond: 200 },
  failedLogins: { burst: 30, perSecond: 0.5 },
  caller: { burst: 2 * callerPerSecond, perSecond: callerPerSecond },
  // Four of full size at once, and then one every four seconds: parsing one takes some 60 ms of the event loop.
  sourceBytes: { burst: 64 * mib, perSecond: 4 * mib },
  openAtOnce: { perKey: 64, inAll: 1_024 },
  // A crowd of watchers may be one user's.
  atOnce: { perKey: 20_000, inAll: 50_000 },
  uploadsAtOnce: { perKey: 8, inAll: 64 },
});
