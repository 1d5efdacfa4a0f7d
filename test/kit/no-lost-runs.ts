/** An engine that never lost a run, for tests of what is above it. Says what it was asked for, in order. */
import type { LostRuns } from '../../worker/runtime/docker/lost-runs.ts';

export function noLostRuns(): LostRuns & { readonly asked: readonly string[] } {
  const asked: string[] = [];
  return {
    asked,
    async end(containerId, isCertain) {
      asked.push(`${containerId} ${isCertain ? 'certain' : 'possible'}`);
    },
  };
}
