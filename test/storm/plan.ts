/**
 * What a storm does and when, made of a seed alone: the same seed and length give the same plan, on every machine. How long
 * each step then takes is the machine's business. Pure.
 */
import { createHash } from 'node:crypto';
import { createRandom, type Random } from '../fuzz/random.ts';

export interface PlannedBot {
  readonly user: string;
  readonly bot: string;
  /** `image`: a ready image, which only workers with an engine run; `simple`: files, which all of them run. */
  readonly mode: 'simple' | 'image';
  /** The label `spot` of the worker that it has to run on; undefined for one that any worker may have, and that a drain moves. */
  readonly spot: string | undefined;
  /** Bots with the same number have one Telegram token. */
  readonly token: number | undefined;
}

/** What a bot does once it runs (diary-bot.ts). */
export type Behaviour = 'steady' | 'crashing' | 'ending' | 'stubborn';
export type ChangingAction = 'start' | 'update' | 'restart' | 'stop' | 'delete';

export interface PlannedRequest {
  /** From the beginning of the storm, in ms. */
  readonly at: number;
  readonly user: string;
  readonly bot: string;
  readonly action: ChangingAction | 'logs' | 'list' | 'status';
  /** Numbers the versions of all bots; of a start and an update. */
  readonly version: number | undefined;
  readonly behaviour: Behaviour;
  readonly takeover: boolean;
  /** The client goes away this long after it has sent the request, before it has the answer, and sends it again. */
  readonly leaveAfterMs: number | undefined;
  /** Sent once more, with the same key, after it was answered. */
  readonly again: boolean;
}

export const faultKinds = [
  'kill orchestrator',
  'freeze orchestrator',
  'kill worker',
  'freeze worker',
  'kill engine',
  'freeze engine',
  'kill everything',
  'black hole to clients',
  'reset to clients',
  'black hole to worker',
  'reset to worker',
  'black hole to engine',
  'reset to engine',
  'full disk',
  'clock step',
  'kill nats',
  'wipe nats',
  'freeze nats',
  'drain worker',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface PlannedFault {
  readonly at: number;
  readonly kind: FaultKind;
  /** Which worker, from 0. */
  readonly worker: number;
  /** Until it is undone, in ms. */
  readonly ms: number;
  /** For a clock step: how far from the real time, in seconds. */
  readonly seconds: number;
}

export interface StormPlan {
  readonly seed: number;
  readonly ms: number;
  /** Whether containers live on while their engine is away. */
  readonly liveRestore: boolean;
  readonly bots: readonly PlannedBot[];
  readonly requests: readonly PlannedRequest[];
  readonly faults: readonly PlannedFault[];
  /** Covers all the above: the first 16 digits of a SHA-256. */
  readonly hash: string;
}

export const workers = 3;
export const users = ['dev', 'ann', 'bob'];
/** Room for no more than this many of the bots of a user: some starts are refused. */
export const botsMax = 3;

/** The value of the label `spot` of a worker. The last worker runs plain processes, where `image` cannot run. */
export const spotOf = (worker: number): string => `w${worker}`;

const calmBeforeMs = 4_000;
const calmAfterMs = 10_000;

export function makePlan(seed: number, ms: number): StormPlan {
  const bots = users.flatMap((user, at) => botsOf(user, at));
  const plan = {
    seed,
    ms,
    liveRestore: seed % 2 === 0,
    bots,
    requests: makeRequests(seed, ms, bots),
    faults: makeFaults(seed, ms),
  };
  const hash = createHash('sha256').update(JSON.stringify(plan)).digest('hex').slice(0, 16);
  return { ...plan, hash };
}

/** The last two of a user share a token, and so do the last ones of the first two users. */
const botsOf = (user: string, at: number): readonly PlannedBot[] =>
  (['simple', 'image', 'simple', 'image'] as const).map((mode, n) => ({
    user,
    bot: `b${n}`,
    mode,
    spot: n === 3 ? undefined : spotOf((n + 2) % workers),
    token: n < 2 ? undefined : at < 2 && n === 3 ? 100 : at + 1,
  }));

function makeRequests(seed: number, ms: number, bots: readonly PlannedBot[]): readonly PlannedRequest[] {
  const requests: PlannedRequest[] = [];
  let version = 0;
  for (const [at, user] of users.entries()) {
    const random = createRandom(seed, 1_000 + at);
    const own = bots.filter((bot) => bot.user === user);
    const started = new Set<string>();
    for (let time = random.below(1_000); time < ms; time += 400 + random.below(2_600)) {
      const { bot, token } = random.pick(own);
      const action = started.has(bot) ? pickAction(random) : 'start';
      started.add(bot);
      const deploys = action === 'start' || action === 'update';
      requests.push({
        at: time,
        user,
        bot,
        action,
        version: deploys ? ++version : undefined,
        behaviour: pickBehaviour(random),
        takeover: token !== undefined && deploys && random.chance(0.3),
        leaveAfterMs: random.chance(0.15) ? random.below(60) : undefined,
        again: random.chance(0.1),
      });
    }
  }
  return requests.toSorted((one, other) => one.at - other.at);
}

function pickAction(random: Random): PlannedRequest['action'] {
  const table = { start: 36, update: 14, restart: 12, stop: 16, delete: 6, logs: 6, list: 5, status: 5 } as const;
  return pickWeighted(random, table);
}

const pickBehaviour = (random: Random): Behaviour =>
  pickWeighted(random, { steady: 80, crashing: 8, ending: 6, stubborn: 6 });

function pickWeighted<T extends string>(random: Random, table: Readonly<Record<T, number>>): T {
  // The keys of a table are its choices.
  const choices = Object.keys(table) as T[];
  let left = random.below(choices.reduce((sum, choice) => sum + table[choice], 0));
  for (const choice of choices) {
    left -= table[choice];
    if (left < 0) return choice;
  }
  throw new Error('a table without weights');
}

/** What a fault takes hold of: two of one place do not come together. */
export function placeOf(kind: FaultKind, worker: number): string {
  if (kind === 'kill everything' || kind === 'drain worker') return kind;
  const [, way = '', what = ''] = /^(?:kill|freeze|wipe|full|clock|black hole|reset) (to )?(\w+)$/.exec(kind) ?? [];
  return `${way}${what}${what === 'worker' || `${way}${what}` === 'to engine' ? ` ${worker}` : ''}`;
}

function makeFaults(seed: number, ms: number): readonly PlannedFault[] {
  const random = createRandom(seed, 2_000);
  const faults: PlannedFault[] = killsOfEverything(ms, random);
  for (let at = calmBeforeMs; at < ms - calmAfterMs; at += 800 + random.below(4_200)) {
    const worker = random.below(workers);
    const possible = faultKinds
      .map((kind): PlannedFault => ({ at, kind, worker, ms: lengthOf(kind, random), seconds: secondsOf(kind, random) }))
      .filter(({ kind }) => kind !== 'kill everything')
      .filter((fault) => at + fault.ms <= ms - calmAfterMs && !faults.some((other) => excludes(fault, other)));
    if (possible.length === 0) continue;
    // The rarest kinds so far come first.
    const count = ({ kind }: PlannedFault) => faults.filter((fault) => fault.kind === kind).length;
    const least = Math.min(...possible.map(count));
    faults.push(random.pick(possible.filter((fault) => count(fault) === least)));
  }
  return faults.toSorted((one, other) => one.at - other.at);
}

/** One in each minute and a half, and in a shorter storm too: decided before the others, which make room for it. */
function killsOfEverything(ms: number, random: Random): PlannedFault[] {
  const windowMs = Math.min(90_000, ms);
  return Array.from({ length: Math.floor(ms / windowMs) }, (_, n) => ({
    at: n * windowMs + Math.floor(windowMs * 0.4) + random.below(Math.floor(windowMs * 0.2)),
    kind: 'kill everything' as const,
    worker: 0,
    ms: lengthOf('kill everything', random),
    seconds: 0,
  }));
}

/** Between two faults of one place. */
const restMs = 1_500;

/** Whether two faults take hold of the same place at once; of everything, with any other. */
function excludes(one: PlannedFault, other: PlannedFault): boolean {
  const [place, otherPlace] = [placeOf(one.kind, one.worker), placeOf(other.kind, other.worker)];
  if (place !== otherPlace && otherPlace !== 'kill everything') return false;
  return one.at < other.at + other.ms + restMs && other.at < one.at + one.ms + restMs;
}

const secondsOf = (kind: FaultKind, random: Random): number =>
  kind === 'clock step' ? random.pick([-3_600, -60, 70, 3_600, 86_400]) : 0;

function lengthOf(kind: FaultKind, random: Random): number {
  if (kind.startsWith('reset')) return 0;
  if (kind.startsWith('freeze') || kind.startsWith('black hole')) return 500 + random.below(12_000);
  if (kind === 'drain worker') return 5_000 + random.below(10_000);
  if (kind === 'clock step') return 2_000 + random.below(15_000);
  return random.below(5_000);
}
