/** The part of AdminService that is about safety checks: see proto/botrunner/v1/safety.proto. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import type { Check } from '#common/checks/check.ts';
import type { Clock } from '#common/clock.ts';
import type { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import type { SafetyReportSchema } from '#gen/botrunner/v1/safety_pb.js';
import type { OwnSafety } from '../../safety/own-safety.ts';
import { type CallDeps, call } from './call.ts';

export interface AdminSafetyDeps extends CallDeps {
  readonly ownSafety: OwnSafety;
  readonly clock: Clock;
}

interface Known {
  readonly strangers: boolean;
  readonly checks: readonly Check[];
  readonly atMs: number;
}

export const safetyReport = (
  { strangers, checks, atMs }: Known,
  nowMs: number,
): MessageInitShape<typeof SafetyReportSchema> => ({
  strangers,
  checks: checks.map(({ hint = '', ...check }) => ({ ...check, hint })),
  ageMs: BigInt(checks.length === 0 ? 0 : Math.round(nowMs - atMs)),
});

export function createAdminSafety(deps: AdminSafetyDeps): Pick<ServiceImpl<typeof AdminService>, 'checkSafety'> {
  const { ownSafety, clock } = deps;
  return {
    checkSafety: call(deps, 'admin', async (_request, _identity, { signal }) => {
      const { checks = [], atMs = 0 } = (await ownSafety.now(signal)) ?? {};
      return { orchestrator: safetyReport({ strangers: ownSafety.strangers, checks, atMs }, clock.monotonicMs()) };
    }),
  };
}
