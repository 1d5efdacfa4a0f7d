/** The safety checks of a worker with STRANGERS=1: those of its runtime, and of its own settings. */

import type { CheckReport } from '#common/checks/check.ts';
import { CheckWatch } from '#common/checks/check-watch.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import type { SafetyCheck, SafetyCheckName } from '../runtime/safety.ts';
import { type OwnSettings, ownChecks } from './own-checks.ts';

/** What has to hold. A runtime that says nothing of one of them does not hold it. */
const names: readonly SafetyCheckName[] = ['runtime', 'isolation', 'egress', 'builder', 'disk', 'tokens', 'tls'];

export type SafetyWatch = CheckWatch<SafetyCheckName>;

export interface SafetyWatchParts {
  readonly runtime: Pick<ContainerRuntime, 'safety'>;
  readonly settings: OwnSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly onReport: (report: CheckReport<SafetyCheckName>) => void;
}

export function createSafetyWatch({ runtime, settings, ...parts }: SafetyWatchParts): SafetyWatch {
  const make = async (signal: AbortSignal): Promise<readonly SafetyCheck[]> => [
    ...ownChecks(settings),
    ...(await runtime.safety(signal)),
  ];
  return new CheckWatch({ ...parts, names, make });
}
