/**
 * A storm from beginning to end: a platform is started, used and hurt as the plan says, healed, looked at, emptied, looked at
 * again and ended. What was found is the checker's to say.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import { checkStorm } from './checker.ts';
import { ask, callAdmin, nowMs } from './client.ts';
import { startWitness } from './diary.ts';
import { Driver } from './driver.ts';
import { inject } from './faults.ts';
import type { KeptProgram } from './kept-program.ts';
import { botProcesses, engineThings, oddFiles } from './leftovers.ts';
import { type StormParts, startParts } from './parts.ts';
import {
  type FaultKind,
  type PlannedFault,
  type PlannedRequest,
  placeOf,
  type StormPlan,
  users,
  workers,
} from './plan.ts';
import type { Finding, RequestRecord, StormRecord } from './record.ts';
import { type EventWatcher, type NatsWatcher, watchEvents, watchNats } from './watchers.ts';

export interface StormResult {
  readonly findings: readonly Finding[];
  readonly record: StormRecord;
  readonly faults: ReadonlyMap<FaultKind, number>;
  /** Requests that were not sent, because earlier ones of their bot had no answer yet. */
  readonly leftOut: number;
  /** What this machine could not do. */
  readonly missing: readonly string[];
  /** Where the programs' logs and the diaries are, if they were kept. */
  readonly dir: string;
}

export interface StormOptions {
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
  /** Leave the folder with logs and diaries behind. */
  readonly keep?: boolean;
}

/** How long everything may take to end once the last fault is undone: the longest deadline of a job, and then some. */
const settleMs = 180_000;
const quietMs = 90_000;
const emptyMs = 90_000;
/** Long enough for a bot on a busy machine to say that it lives. */
const afterlookMs = 3_000;

export async function runStorm(plan: StormPlan, { say, signal, keep = false }: StormOptions): Promise<StormResult> {
  const parts = await startParts(plan, keep);
  const watchers: { close(): Promise<void> }[] = [];
  try {
    for (const line of parts.missing) say(`without: ${line}`);
    const witness = await startWitness(parts.hostAddress, join(parts.dir, 'diaries'));
    watchers.push(witness);
    await untilWorkersAre(parts, 'WORKER_STATE_READY');
    const tokens = await makeTokens(parts.directUrl);
    const url = `http://127.0.0.1:${parts.toOrchestrator.port}`;
    const events = new Map<string, EventWatcher>();
    for (const [user, token] of tokens) events.set(user, watchEvents(url, token));
    watchers.push(...events.values());
    const nats: NatsWatcher | undefined = parts.nats && (await watchNats(parts.nats.url));
    if (nats) watchers.push(nats);
    const things = await engineThings(parts);
    const driver = new Driver({
      url,
      witness: witness.address,
      tokens,
      bots: plan.bots,
      hasEngine: parts.engine !== undefined,
      keyPrefix: `storm-${plan.seed}`,
    });

    say('the storm begins');
    const [, faults] = await Promise.all([driver.run(plan, signal), runFaults(parts, plan.faults, say, signal)]);
    say(`the storm is over: ${driver.records.length} requests were sent; waiting until everything is final`);
    await driver.settle(settleMs);
    await untilQuiet(parts, tokens, nats, events);
    const listed = await listAll(parts.directUrl, tokens);
    const endedAt = nowMs();
    await pause(afterlookMs);
    const diary = [...witness.lines];
    const heard = nats && new Map(nats.newest);
    const seen = new Map([...events].map(([user, watcher]) => [user, [...watcher.seen]]));

    say('removing all bots');
    const requests = [...driver.records];
    await removeAll(driver, listed);
    const leftovers = await untilEmpty(parts, things, witness.address);
    const deaths = [...(await endAll(parts))];
    const record: StormRecord = {
      bots: plan.bots,
      diary,
      requests,
      events: seen,
      listed,
      heard,
      endedAt,
      leftovers,
      deaths,
    };
    if (keep) writeFileSync(join(parts.dir, 'record.json'), textOf(record));
    const { leftOut } = driver;
    return { findings: checkStorm(record), record, faults, leftOut, missing: parts.missing, dir: parts.dir };
  } finally {
    for (const watcher of watchers) await watcher.close();
    await parts.close();
  }
}

/** All but the diaries, which have files of their own. */
const textOf = ({ diary: _, ...record }: StormRecord): string =>
  JSON.stringify(record, (_name, value) => (value instanceof Map ? Object.fromEntries(value) : value), 1);

/** Each at its time, or when its target is repaired. Returns how many of each kind there were. */
async function runFaults(
  parts: StormParts,
  planned: readonly PlannedFault[],
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<ReadonlyMap<FaultKind, number>> {
  const begun = nowMs();
  const counts = new Map<FaultKind, number>();
  const busy = new Map<string, Promise<void>>();
  for (const fault of planned) {
    await pause(Math.max(0, fault.at - (nowMs() - begun)), undefined, { signal });
    const place = placeOf(fault.kind, fault.worker);
    const before = place === 'kill everything' ? [...busy.values()] : [busy.get(place), busy.get('kill everything')];
    const run = async () => {
      await Promise.all(before);
      if (!(await inject(parts, fault))) return;
      counts.set(fault.kind, (counts.get(fault.kind) ?? 0) + 1);
      const where = fault.kind.endsWith('worker') || fault.kind.endsWith('engine') ? ` ${fault.worker}` : '';
      say(`  at ${Math.round(fault.at / 1000)} s, for ${(fault.ms / 1000).toFixed(1)} s: ${fault.kind}${where}`);
    };
    const running = run();
    running.catch(() => {}); // thrown below, when all are over
    busy.set(place, running);
  }
  await Promise.all(busy.values());
  return counts;
}

async function untilWorkersAre({ directUrl }: StormParts, state: string): Promise<void> {
  await until('all workers are ready', 60_000, async () => {
    const { workers: known = [] } = await callAdmin(directUrl, 'ListWorkers', {});
    return known.filter((worker: JsonBody) => worker.state === state).length === workers;
  });
}

/** The first user's is that of the settings. */
async function makeTokens(url: string): Promise<ReadonlyMap<string, string>> {
  const tokens = new Map([['dev', 'test-client-token']]);
  for (const userId of users.filter((user) => !tokens.has(user))) {
    const { value } = await callAdmin(url, 'CreateToken', {
      userId,
      name: 'storm',
      scope: 'TOKEN_SCOPE_CLIENT',
    });
    tokens.set(userId, value);
  }
  return tokens;
}

async function listAll(
  url: string,
  tokens: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, readonly JsonBody[]>> {
  const listed = new Map<string, readonly JsonBody[]>();
  for (const [user, token] of tokens) {
    const { body } = await ask(url, token, '/jobs', { body: { blueprint: 'bot_runner', data: { action: 'list' } } });
    const job = await ask(url, token, `/jobs/${body.job_id}`);
    listed.set(user, job.body.data.result.bots);
  }
  return listed;
}

/** Waits until no bot is in a transitional state and the watchers agree; at most `quietMs`. */
async function untilQuiet(
  { directUrl }: StormParts,
  tokens: ReadonlyMap<string, string>,
  nats: NatsWatcher | undefined,
  events: ReadonlyMap<string, EventWatcher>,
): Promise<void> {
  const passing = /^(pending|building|pulling|starting|stopping|unknown|lost)$/;
  await until('all is quiet', quietMs, async () => {
    const listed = await listAll(directUrl, tokens);
    return [...listed].every(([user, bots]) =>
      bots.every(({ bot_id, status }) => {
        const last = events.get(user)?.seen.findLast(({ kind, data }) => kind === 'bot' && data.bot_id === bot_id);
        const heard = nats?.newest.get(`${user}/${bot_id}`);
        const known = last?.data.bot?.status === status && (nats === undefined || heard?.bot?.status === status);
        return !passing.test(status) && known;
      }),
    );
  }).catch(() => undefined); // what is not quiet is the checker's to say
}

async function removeAll(driver: Driver, listed: ReadonlyMap<string, readonly JsonBody[]>): Promise<void> {
  const removals = [...listed].flatMap(([user, bots]) =>
    bots.map(({ bot_id }) => {
      const removal: PlannedRequest = {
        at: 0,
        user,
        bot: bot_id,
        action: 'delete',
        version: undefined,
        behaviour: 'steady',
        takeover: false,
        leaveAfterMs: undefined,
        again: false,
      };
      return driver.send(removal);
    }),
  );
  const waiting: Promise<(RequestRecord | undefined)[]> = Promise.all(removals);
  await Promise.race([waiting, driver.settle(emptyMs)]);
}

/** What is still there of the bots when nothing changes any more. */
async function untilEmpty(parts: StormParts, before: ReadonlySet<string>, witness: string): Promise<readonly string[]> {
  const left = async () => [
    ...[...(await engineThings(parts))].filter((thing) => !before.has(thing)),
    ...botProcesses(witness),
    ...oddFiles(parts),
  ];
  await until('nothing is left', emptyMs, async () => (await left()).length === 0).catch(() => undefined);
  return left();
}

/** Shuts the programs down cleanly; returns what went wrong with them, now or before. */
async function endAll({ orchestrator, workers: programs }: StormParts): Promise<readonly string[]> {
  const end = async (program: KeptProgram): Promise<readonly string[]> => {
    const code = program.isRunning ? await program.end() : 0;
    return code === 0 ? program.deaths : [...program.deaths, `${program.id} ended with code ${code} after SIGTERM`];
  };
  const deaths = await Promise.all(programs.map(end));
  return [...deaths.flat(), ...(await end(orchestrator))];
}

async function until(what: string, limitMs: number, holds: () => Promise<boolean>): Promise<void> {
  const end = nowMs() + limitMs;
  let last: unknown = 'not yet';
  for (;;) {
    try {
      if (await holds()) return;
    } catch (error) {
      last = error;
    }
    if (nowMs() > end) throw new Error(`it does not come to this: ${what} (${last})`);
    await pause(500);
  }
}
