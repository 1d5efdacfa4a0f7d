/** The orchestrator's own safety checks, made for as long as it runs; none without STRANGERS=1. */
import type { CheckReport } from '#common/checks/check.ts';
import { failedOf } from '#common/checks/check.ts';
import { CheckWatch } from '#common/checks/check-watch.ts';
import { runChecks } from '#common/checks/run-checks.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { type CheckedSettings, type OwnCheckName, ownCheckings, ownCheckNames } from './own-checks.ts';

export interface OwnSafetyOptions {
  readonly strangers: boolean;
  readonly settings: CheckedSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  /** They hold again after they did not. */
  readonly onHold: () => void;
}

export interface OwnSafety {
  readonly strangers: boolean;
  /** Whether they hold. Until they were made once they do not. */
  holds(): boolean;
  /** As they are now; undefined without STRANGERS. */
  now(signal: AbortSignal): Promise<CheckReport<OwnCheckName> | undefined>;
  start(): void;
  stop(): void;
}

const oneLimitMs = 10_000;

export function createOwnSafety({ strangers, settings, clock, logger, onHold }: OwnSafetyOptions): OwnSafety {
  if (!strangers) {
    return { strangers, holds: () => true, now: async () => undefined, start: () => undefined, stop: () => undefined };
  }
  const checkings = ownCheckings(settings);
  let held = false;
  const watch = new CheckWatch<OwnCheckName>({
    names: ownCheckNames,
    make: (signal) => runChecks(checkings, clock, oneLimitMs, signal),
    clock,
    logger,
    random: Math.random,
    onReport({ checks }) {
      const holds = failedOf(checks).length === 0;
      if (holds && !held) onHold();
      held = holds;
    },
  });
  return {
    strangers,
    holds: () => held,
    now: (signal) => watch.ofLast(0, signal),
    start: () => watch.start(),
    stop: () => watch.stop(),
  };
}
