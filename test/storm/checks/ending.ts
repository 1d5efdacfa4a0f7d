/** At the end each bot is as its user wanted it last, and what the platform says of it is what the bot says itself. Pure. */
import type { JsonBody } from '../../kit/orchestrator-for-tests.ts';
import { botKey, type Finding, type RequestRecord, type StormRecord } from '../record.ts';
import { type Instance, instancesOf } from './instances.ts';
import { lateCopiesOf } from './late-copies.ts';

export function checkEnding(record: StormRecord): readonly Finding[] {
  // Diaries continue for a while after the look at the lists.
  const alive = instancesOf(record.diary).filter(({ last }) => last > record.endedAt);
  const late = lateCopiesOf(record).bots;
  const findings: Finding[] = [];
  for (const bot of record.bots) {
    const key = botKey(bot);
    const listed = record.listed.get(bot.user)?.find(({ bot_id }) => bot_id === bot.bot);
    const own = alive.filter((instance) => instance.key === key);
    const asked = wantedOf(record.requests.filter(({ planned }) => botKey(planned) === key));
    // Where a late copy came in between is not known.
    const { state, version }: Wanted = late.has(key) ? { state: 'any', version: undefined } : asked;
    const objections = [...truthOf(listed, own), ...wishOf(state, version, listed, own)];
    for (const text of objections) findings.push({ rule: 'wanted state', text: `${key} ${text}` });
  }
  return findings;
}

/** What does not fit between the platform's word and the bot's own. A bot that crashes again and again may be up or not. */
function truthOf(listed: JsonBody | undefined, alive: readonly Instance[]): readonly string[] {
  const status = listed?.status ?? 'gone';
  if (status === 'running' && alive.length === 0) return ['is running, and keeps no diary'];
  if (['stopped', 'exited', 'failed', 'gone'].includes(status) && alive.length > 0)
    return [`is ${status}, and keeps a diary`];
  if (['unknown', 'lost', 'pending', 'stopping'].includes(status))
    return [`is still ${status}: ${listed?.reason ?? ''}`];
  return [];
}

function wishOf(
  state: Wanted['state'],
  version: number | undefined,
  listed: JsonBody | undefined,
  alive: readonly Instance[],
): readonly string[] {
  const status = listed?.status ?? 'gone';
  switch (state) {
    case 'any':
      return [];
    case 'gone':
    case 'stopped':
      return status === state ? [] : [`should be ${state}, and is ${status}`];
    case 'up': {
      if (!['running', 'crash_loop', 'exited', 'starting'].includes(status)) return [`should be up, and is ${status}`];
      const other = alive.find((instance) => version !== undefined && instance.version !== version);
      return other === undefined ? [] : [`should be version ${version}, and is version ${other.version}`];
    }
  }
}

interface Wanted {
  /** `any`: what was wanted last cannot be determined from outside. */
  readonly state: 'up' | 'stopped' | 'gone' | 'any';
  readonly version: number | undefined;
}

/** What the last request that was carried out says: requests of one bot are sent one after the other, and done in that order. */
export function wantedOf(requests: readonly RequestRecord[]): Wanted {
  let wanted: Wanted = { state: 'gone', version: undefined };
  for (const { planned, answer, job } of requests) {
    if (answer.kind !== 'accepted' || !changes(planned.action)) continue;
    const done = job?.body.status === 'completed';
    switch (planned.action) {
      case 'stop':
        wanted = done ? { ...wanted, state: 'stopped' } : { ...wanted, state: 'any' };
        break;
      case 'delete':
        wanted = done ? { state: 'gone', version: undefined } : { ...wanted, state: 'any' };
        break;
      case 'restart':
        // What it is a restart of is known only while what came before is.
        wanted = done ? { ...wanted, state: wanted.version === undefined ? 'any' : 'up' } : { ...wanted, state: 'any' };
        break;
      default:
        wanted = done ? { state: 'up', version: planned.version } : { state: 'any', version: undefined };
    }
  }
  return wanted;
}

const changes = (action: string): boolean => ['start', 'update', 'restart', 'stop', 'delete'].includes(action);
