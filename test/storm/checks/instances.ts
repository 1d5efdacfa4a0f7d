/** At most one instance of a bot, and of a Telegram token, at any time; a stop is final; a newer version does not make way for an older one. Pure. */
import type { DiaryLine } from '../diary.ts';
import { botKey, type Finding, type RequestRecord, type StormRecord } from '../record.ts';

export interface Instance {
  readonly id: string;
  readonly key: string;
  readonly version: number;
  readonly token: number | undefined;
  readonly first: number;
  readonly last: number;
}

/** The instances of a diary, by their first line. */
export function instancesOf(diary: readonly DiaryLine[]): readonly Instance[] {
  const found = new Map<string, Instance>();
  for (const line of diary) {
    const known = found.get(line.instance);
    found.set(line.instance, {
      id: line.instance,
      key: botKey(line),
      version: line.version,
      token: line.token,
      first: Math.min(known?.first ?? line.at, line.at),
      last: Math.max(known?.last ?? line.at, line.at),
    });
  }
  return [...found.values()].toSorted((one, other) => one.first - other.first);
}

export function checkInstances(record: StormRecord): readonly Finding[] {
  const instances = instancesOf(record.diary);
  return [
    ...overlapsIn(Map.groupBy(instances, ({ key }) => `bot ${key}`)),
    ...overlapsIn(
      Map.groupBy(
        instances.filter(({ token }) => token !== undefined),
        ({ token }) => `token ${token}`,
      ),
    ),
    ...revivalsIn(instances, record.requests),
    ...staleIn(instances, record.requests),
  ];
}

/** Instances are in the order of their first lines: one overlaps if it begins before the longest one before it has ended. */
function overlapsIn(groups: ReadonlyMap<string, readonly Instance[]>): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [what, instances] of groups) {
    let longest: Instance | undefined;
    for (const instance of instances) {
      if (longest !== undefined && instance.first < longest.last) {
        const ms = Math.round(Math.min(longest.last, instance.last) - instance.first);
        findings.push({
          rule: 'overlap',
          text: `${what}: ${describe(longest)} and ${describe(instance)} ran at once for ${ms} ms`,
        });
      }
      if (longest === undefined || instance.last > longest.last) longest = instance;
    }
  }
  return findings;
}

const describe = ({ key, version, id }: Instance): string => `${key} version ${version} (${id.slice(0, 8)})`;

/** A bot whose stop or removal was completed stays silent until somebody asks for it again. */
function revivalsIn(instances: readonly Instance[], requests: readonly RequestRecord[]): readonly Finding[] {
  const findings: Finding[] = [];
  for (const { planned, job } of requests) {
    if (job?.body.status !== 'completed' || !(planned.action === 'stop' || planned.action === 'delete')) continue;
    if (job.body.data?.result?.status === 'pending_on_worker') continue;
    const key = botKey(planned);
    // Whatever was not yet decided when the stop was seen to be done may start it again.
    const next = Math.min(
      ...requests
        .filter(
          (other) =>
            botKey(other.planned) === key && startsBot(other) && (other.job?.at ?? Number.POSITIVE_INFINITY) > job.at,
        )
        .map(({ sentAt }) => sentAt),
    );
    for (const instance of instances) {
      if (instance.key !== key || instance.last <= job.at || Math.max(instance.first, job.at) >= next) continue;
      findings.push({
        rule: 'revived',
        text: `${describe(instance)} lives after its ${planned.action} (${job.body.job_id}) was done`,
      });
    }
  }
  return findings;
}

const startsBot = ({ planned }: RequestRecord): boolean => ['start', 'update', 'restart'].includes(planned.action);

/** Versions that were started after a later one had run: what was decided later wins. */
function staleIn(instances: readonly Instance[], requests: readonly RequestRecord[]): readonly Finding[] {
  const findings: Finding[] = [];
  for (const { planned, job } of requests) {
    if (planned.version === undefined || job?.body.status !== 'completed') continue;
    const { version } = planned;
    for (const instance of instances) {
      if (instance.key !== botKey(planned) || instance.version >= version || instance.first <= job.at) continue;
      findings.push({
        rule: 'stale version',
        text: `${describe(instance)} was started after version ${version} was done (${job.body.job_id})`,
      });
    }
  }
  return findings;
}
