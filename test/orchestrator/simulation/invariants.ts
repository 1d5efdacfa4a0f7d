/** What holds after every change, whatever came before. Each violation is an error that names its rule. */
import { botKeyText } from '#common/ids.ts';
import { isAtWork } from '../../../orchestrator/core/job.ts';
import { mayRun } from '../../../orchestrator/core/quota.ts';
import type { BotRecord } from '../../../orchestrator/core/records.ts';
import { activeBots } from '../../../orchestrator/engine/read.ts';
import type { Tables } from '../../../orchestrator/store/tables.ts';
import type { Host } from './world.ts';

/** Each bot as it was after the change before. */
export type Seen = Map<string, BotRecord>;

export class InvariantError extends Error {
  readonly rule: string;
  constructor(rule: string, detail: string) {
    super(`${rule}: ${detail}`);
    this.name = 'InvariantError';
    this.rule = rule;
  }
}

const fail = (rule: string, detail: string): never => {
  throw new InvariantError(rule, detail);
};

/** The rows alone. */
export function checkRows(tables: Tables, seen: Seen, maxBots: number, bots: readonly BotRecord[]): void {
  const users = new Set<string>();
  const now = new Set<string>();
  for (const bot of bots) {
    const key = botKeyText(bot);
    now.add(key);
    users.add(bot.userId);
    const before = seen.get(key);
    if (before !== bot) {
      checkBot(key, bot, before);
      seen.set(key, bot);
    }
    const atWork = tables.jobs.openOfBot(bot).filter(isAtWork);
    if (atWork.length > 1)
      fail('one job of a bot at a time', `${key} has ${atWork.map((job) => job.action).join(', ')}`);
  }
  for (const key of seen.keys()) if (!now.has(key)) seen.delete(key);
  for (const userId of users) {
    const active = activeBots(tables, userId);
    if (active.size > maxBots) fail('the quota is never exceeded', `${userId} has ${[...active].join(', ')}`);
  }
}

function checkBot(key: string, bot: BotRecord, before: BotRecord | undefined): void {
  const { generation, epoch, revision, eventSeq } = bot;
  if (before !== undefined) {
    if (generation < before.generation)
      fail('the generation only rises', `${key} from ${before.generation} to ${generation}`);
    if (epoch < before.epoch) fail('the epoch only rises', `${key} from ${before.epoch} to ${epoch}`);
    if (bot.workerId !== before.workerId && bot.workerId !== null && epoch === before.epoch)
      fail('a placement is a new epoch', `${key} from ${before.workerId} to ${bot.workerId}`);
    if (bot.desired !== before.desired && generation === before.generation && bot.revision > 0 && before.revision > 0)
      fail('a decision is a new generation', `${key} from ${before.desired} to ${bot.desired}`);
    if (eventSeq < before.eventSeq)
      fail('events are numbered upwards', `${key} from ${before.eventSeq} to ${eventSeq}`);
  }
  if (revision > generation) fail('a revision is a generation', `${key} has r${revision} g${generation}`);
  if (bot.desired === 'running' && bot.specSealed === null) fail('what should run has a spec', key);
  if (bot.leaving && bot.desired !== 'running') fail('only what should run can leave', key);
  if (bot.desired === 'removed' && bot.undo !== null) fail('a removal is for good', key);
}

/** What runs: nowhere two copies of a bot, nor two bots of a token. A worker forgotten by an operator may not know it yet. */
export function checkHosts(hosts: Iterable<Host>, tables: Tables): void {
  const places = new Map<string, string>();
  const holders = new Map<string, string>();
  for (const { worker, power } of hosts) {
    if (!power) continue;
    for (const bot of worker.bots.values()) {
      const { container } = bot;
      if (container === undefined || container.status === 'exited') continue;
      const key = botKeyText(bot);
      if (tables.leftovers.ofBot(bot).some((one) => one.workerId === worker.workerId && one.copy)) continue;
      const other = places.get(key);
      if (other !== undefined) fail('two copies never run', `${key} on ${other} and ${worker.workerId}`);
      places.set(key, worker.workerId);
      if (container.token === '') continue;
      const holder = holders.get(container.token);
      if (holder !== undefined && holder !== key)
        fail('a token has one bot', `${container.token}: ${holder} and ${key}`);
      holders.set(container.token, key);
    }
  }
}

/** What is wrong after all have reported: everything has to be as it should, and nothing is left to do. */
export function checkSettled(
  hosts: Iterable<Host>,
  tables: Tables,
  bots: readonly BotRecord[],
  jobIds: readonly string[],
): void {
  for (const jobId of jobIds) {
    const job = tables.jobs.get(jobId);
    const status = job?.status ?? 'completed';
    if (status !== 'completed' && status !== 'failed' && status !== 'cancelled')
      fail('every accepted job ends', `${job?.action} of ${job?.userId}/${job?.botId} is ${status} (${job?.reason})`);
  }
  const all = [...hosts];
  for (const bot of bots) {
    const key = botKeyText(bot);
    if (bot.desired === 'removed') fail('what is deleted goes', key);
    if (bot.undo !== null) fail('nothing is at work, so there is nothing to undo', key);
    if (bot.pendingTask !== null) fail('what outlived its job is carried out', key);
    if (bot.leaving) fail('nothing moves', key);
    if (bot.generation === 0) fail('a start that never began leaves no bot', key);
    for (const { worker } of all) {
      const container = worker.bots.get(key)?.container;
      if (worker.workerId !== bot.workerId || bot.desired === 'stopped') {
        if (container !== undefined) fail('nothing runs where it should not', `${key} on ${worker.workerId}`);
        continue;
      }
      const status = container?.status ?? (bot.state === 'failed' ? 'failed' : 'nothing');
      if (bot.state !== status)
        fail('what is reported is what is', `${key} is ${status}, and is reported to be ${bot.state}`);
      if (container !== undefined && container.revision !== BigInt(bot.revision))
        fail('what runs is what should', `${key} runs r${container.revision}, should r${bot.revision}`);
    }
    if (mayRun(bot) && bot.workerId === null) fail('what should run is somewhere', key);
  }
  const known = new Set(bots.map(botKeyText));
  for (const { worker } of all) {
    for (const [key, { container }] of worker.bots)
      if (container !== undefined && !known.has(key))
        fail('nothing runs that nobody has', `${key} on ${worker.workerId}`);
  }
}
