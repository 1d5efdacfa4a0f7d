/** Each user's stream of events: in order, without gaps or duplicates, and correct at the end. Pure. */
import type { JsonBody } from '../../kit/orchestrator-for-tests.ts';
import type { EventSeen, Finding, StormRecord } from '../record.ts';

export function checkEvents({ events, listed, heard }: StormRecord): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [user, seen] of events) {
    findings.push(...orderOf(user, seen));
    const newest = newestOf(seen);
    for (const bot of listed.get(user) ?? []) {
      const event = newest.get(bot.bot_id);
      const what = `${user}/${bot.bot_id} is ${bot.status}`;
      if (event === undefined) findings.push({ rule: 'event truth', text: `${what}, and no event tells of it` });
      else if (event.bot.status !== bot.status) {
        findings.push({ rule: 'event truth', text: `${what}, and its last event says ${event.bot.status}` });
      }
      const told = heard?.get(`${user}/${bot.bot_id}`);
      if (heard !== undefined && told?.bot?.status !== bot.status) {
        findings.push({
          rule: 'event truth',
          text: `${what}, and NATS has last brought ${told?.bot?.status ?? 'nothing'}`,
        });
      }
    }
  }
  return findings;
}

function orderOf(user: string, seen: readonly EventSeen[]): readonly Finding[] {
  const findings: Finding[] = [];
  let seq = 0;
  const botSeqs = new Map<string, { readonly botSeq: number; readonly deleted: boolean }>();
  for (const [at, { kind, data }] of seen.entries()) {
    if (kind === 'snapshot') {
      if (at > 0)
        findings.push({ rule: 'event hole', text: `the stream of ${user} began anew: ${data.reason ?? 'no reason'}` });
      continue;
    }
    const where = `event ${data.seq} of ${user}`;
    if (data.seq <= seq) findings.push({ rule: 'event order', text: `${where} came after event ${seq}` });
    seq = data.seq;
    if (kind !== 'bot') continue;
    const before = botSeqs.get(data.bot_id);
    const follows =
      before === undefined || data.bot_seq === before.botSeq + 1 || (before.deleted && data.bot_seq === 1);
    if (!follows) {
      findings.push({
        rule: 'event hole',
        text: `${where} is number ${data.bot_seq} of ${data.bot_id}, after number ${before.botSeq}`,
      });
    }
    botSeqs.set(data.bot_id, { botSeq: data.bot_seq, deleted: data.deleted === true });
  }
  return findings;
}

/** The last event of each bot that is not deleted, by its id. */
function newestOf(seen: readonly EventSeen[]): ReadonlyMap<string, JsonBody> {
  const newest = new Map<string, JsonBody>();
  for (const { kind, data } of seen) {
    if (kind === 'snapshot') for (const bot of data.bots ?? []) newest.set(bot.bot_id, { bot });
    if (kind === 'bot') newest.set(data.bot_id, data);
  }
  return newest;
}
