/** The report of the safety checks to the orchestrator: all at the beginning of a session, then only what is newer. */
import { create } from '@bufbuild/protobuf';
import type { Clock } from '#common/clock.ts';
import { type SafetyReport, SafetyReportSchema } from '#gen/botrunner/v1/safety_pb.js';
import type { SafetyWatch } from './safety-watch.ts';

export interface ToldSafety {
  /** For Hello. */
  all(): SafetyReport;
  /** For Heartbeat; undefined when there is nothing newer than what was said. */
  news(): SafetyReport | undefined;
}

export function createToldSafety(watch: Pick<SafetyWatch, 'report'> | undefined, clock: Clock): ToldSafety {
  let saidAtMs: number | undefined;
  const all = (): SafetyReport => {
    const report = watch?.report;
    saidAtMs = report?.atMs;
    return create(SafetyReportSchema, {
      strangers: watch !== undefined,
      checks: report?.checks.map(({ hint = '', ...check }) => ({ ...check, hint })) ?? [],
      ageMs: BigInt(report === undefined ? 0 : Math.round(clock.monotonicMs() - report.atMs)),
    });
  };
  return {
    all,
    news: () => (watch?.report === undefined || watch.report.atMs === saidAtMs ? undefined : all()),
  };
}
