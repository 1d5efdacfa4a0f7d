/** Whether containers may be made now: with STRANGERS=1, only while the safety checks hold. */
import { failedOf } from '#common/checks/check.ts';
import type { SafetyWatch } from './safety-watch.ts';

/**
 * `waits`: it is not known yet, or the last checks failed and are being made once more; nothing new is begun meanwhile.
 * `closed`: they failed again, so what was asked for is refused.
 */
export type GateState = 'open' | 'waits' | 'closed';

export type StartGate = () => GateState;

/** Without STRANGERS. */
export const openGate: StartGate = () => 'open';

/** One failure alone may be a machine that was busy: nothing is thrown away for it. */
const failuresToClose = 2;

export const createStartGate =
  (watch: Pick<SafetyWatch, 'report' | 'failuresInRow'>): StartGate =>
  () => {
    if (watch.report === undefined) return 'waits';
    if (failedOf(watch.report.checks).length === 0) return 'open';
    return watch.failuresInRow < failuresToClose ? 'waits' : 'closed';
  };
