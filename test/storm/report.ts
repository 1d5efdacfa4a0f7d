/** What a storm was and what was found, as lines for people. Pure. */
import { instancesOf } from './checks/instances.ts';
import type { StormPlan } from './plan.ts';
import type { StormResult } from './storm.ts';

const shownMax = 40;
/** What jobs of a storm fail with for reasons of their own, not because something was broken. */
const expected = new Set(['CANCELLED', 'UPDATE_ROLLED_BACK', 'TOKEN_IN_USE', 'BOT_NOT_FOUND', 'QUOTA_EXCEEDED']);

export function reportOf(
  plan: StormPlan,
  { findings, record, faults, leftOut, missing }: StormResult,
): readonly string[] {
  const { requests, diary, events } = record;
  const answers = counted(
    requests.map(({ answer }) => (answer.kind === 'refused' ? `refused: ${answer.code}` : answer.kind)),
  );
  const ends = counted(
    requests.flatMap(({ planned, job }) => {
      if (job === undefined) return [];
      const failed = `${planned.action} failed: ${job.body.data?.error?.code}`;
      return [job.body.status === 'failed' ? failed : String(job.body.status)];
    }),
  );
  const failures = counted(
    requests.flatMap(({ planned, job }) => {
      const { code, message } = job?.body.data?.error ?? {};
      return code === undefined || expected.has(code)
        ? []
        : [`${planned.action}: ${code}: ${String(message).slice(0, 300)}`];
    }),
  );
  const seen = [...events.values()].reduce((sum, list) => sum + list.length, 0);
  return [
    '',
    `plan ${plan.hash} of seed ${plan.seed}, live-restore ${plan.liveRestore ? 'on' : 'off'}`,
    ...missing.map((line) => `without: ${line}`),
    `faults: ${lineOf(faults)}`,
    `requests: ${lineOf(counted(requests.map(({ planned }) => planned.action)))}; left out while their bot's were unanswered: ${leftOut}`,
    `answers: ${lineOf(answers)}`,
    `jobs: ${lineOf(ends)}`,
    `diaries: ${diary.length} lines of ${instancesOf(diary).length} instances; events: ${seen}`,
    ...[...failures].map(([text, count]) => `  failed, ${count} times: ${text}`),
    findings.length === 0
      ? 'found: nothing lost, nothing doubled, no overlap, events in order and without a hole, every bot as wanted, nothing left behind'
      : `FOUND: ${lineOf(counted(findings.map(({ rule }) => rule)))}`,
    ...findings.slice(0, shownMax).map(({ rule, text }) => `  ${rule}: ${text}`),
    ...(findings.length > shownMax ? [`  and ${findings.length - shownMax} more`] : []),
    ...(findings.length === 0
      ? []
      : [`the same plan again: npm run storm -- --seed ${plan.seed} --minutes ${plan.ms / 60_000} --keep`]),
  ];
}

function counted<T extends string>(items: readonly T[]): ReadonlyMap<T, number> {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}

const lineOf = (counts: ReadonlyMap<string, number>): string =>
  counts.size === 0
    ? 'none'
    : [...counts]
        .toSorted(([one], [other]) => one.localeCompare(other))
        .map(([name, count]) => `${name} ${count}`)
        .join(', ');
