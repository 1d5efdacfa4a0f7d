/** A bot's record is made in core/bot/ alone, and docs/bot-model.md says of each field which of its functions writes it. */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boundAge, followingClock, limited, warned } from '../../orchestrator/core/bot/aged.ts';
import {
  configured,
  type Decision,
  decided,
  decidedAnew,
  newBot,
  reborn,
} from '../../orchestrator/core/bot/decided.ts';
import { freed, placed, returned } from '../../orchestrator/core/bot/placed.ts';
import { type BotFields, botRecord } from '../../orchestrator/core/bot/record.ts';
import { recorded } from '../../orchestrator/core/bot/recorded.ts';
import { blamed, carriedOut, observed, outliving, settled } from '../../orchestrator/core/bot/settled.ts';
import { resumed, reverted } from '../../orchestrator/core/bot/undone.ts';
import { freshAge } from '../../orchestrator/core/max-runtime.ts';
import { type BotRecord, botStates } from '../../orchestrator/core/records.ts';
import { checkoutPath } from '../../scripts/process/checkout.ts';

const sources = readdirSync(checkoutPath('orchestrator'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts') && !path.includes('testing'))
  .map((path) => ({ path, text: readFileSync(checkoutPath(`orchestrator/${path}`), 'utf8') }));

describe('a record of a bot', () => {
  it('is no record any more when it is copied anywhere else: the compiler refuses it', () => {
    const bot = newBot({ userId: 'ann', botId: 'echo' }, { mode: 'simple', memoryBytes: 1, cpuMillis: 1 }, 1);
    // @ts-expect-error: the copy lacks the member that only core/bot gives
    const copy: BotRecord = { ...bot, desired: 'running' };
    expect(copy.desired).toBe('running');
  });

  it('is made by core/bot and by the table of the store, and by nobody by a cast', () => {
    const makers = sources.filter(({ text }) => /from '[^']*bot\/record\.ts'|from '\.\/record\.ts'/.test(text));
    expect(makers.map(({ path }) => path).sort()).toEqual([
      'core/bot/aged.ts',
      'core/bot/decided.ts',
      'core/bot/placed.ts',
      'core/bot/recorded.ts',
      'core/bot/settled.ts',
      'core/bot/undone.ts',
      'store/tables/bots.ts',
    ]);
    const casts = sources.filter(
      ({ path, text }) => path !== 'core/bot/record.ts' && /\bas (unknown as )?BotRecord\b/.test(text),
    );
    expect(casts.map(({ path }) => path)).toEqual([]);
  });
});

const observedFields = fc.record(
  { generation: fc.nat(3), containerId: fc.constant('c1'), reason: fc.constantFrom('a', 'b'), exitCode: fc.nat(2) },
  { requiredKeys: [] },
);
const desired = fc.constantFrom('running', 'stopped', 'removed');
const times = { min: 1_000, max: 9_000 };
const anyBot: fc.Arbitrary<BotRecord> = fc
  .record<BotFields>({
    userId: fc.constant('ann'),
    botId: fc.constant('echo'),
    mode: fc.constantFrom('simple', 'custom'),
    desired,
    generation: fc.nat(9),
    revision: fc.nat(9),
    epoch: fc.nat(9),
    workerId: fc.constantFrom(null, 'w1', 'w2'),
    leaving: fc.boolean(),
    memoryBytes: fc.nat(3),
    cpuMillis: fc.nat(3),
    specSealed: fc.constantFrom(null, new Uint8Array([1])),
    purge: fc.boolean(),
    undo: fc.option(
      fc.record({
        desired,
        revision: fc.nat(9),
        wasUp: fc.boolean(),
        specSealed: fc.constantFrom(null, new Uint8Array([2])),
      }),
    ),
    pendingTask: fc.constantFrom(null, 't1', 't2'),
    state: fc.constantFrom(...botStates),
    observed: observedFields,
    observedAt: fc.option(fc.integer(times)),
    runsSince: fc.integer(times),
    stopsAt: fc.option(fc.integer(times)),
    ageWarned: fc.boolean(),
    notice: fc.constantFrom('', 'an old notice'),
    eventSeq: fc.nat(9),
    decidedSeq: fc.nat(9),
    createdAt: fc.integer(times),
    updatedAt: fc.integer(times),
  })
  .map(botRecord);

const now = 5_000;
const shape = { mode: 'image', memoryBytes: 7, cpuMillis: 7 };
const age = freshAge(now, 3_000);
const decisions: readonly Decision[] = [
  { kind: 'deploy', shape, specSealed: new Uint8Array([3]), asItWas: false, age },
  { kind: 'deploy', shape, specSealed: new Uint8Array([3]), asItWas: true, age },
  { kind: 'restart', inPlace: true, age },
  { kind: 'restart', inPlace: false, age },
  { kind: 'stop', notice: 'why' },
  { kind: 'remove', purge: true },
  { kind: 'move' },
];

/** What each writer may make of a bot. */
const writers: Readonly<Record<string, (bot: BotRecord, other: BotRecord) => readonly (BotRecord | undefined)[]>> = {
  ...Object.fromEntries(
    decisions.map(({ kind }) => [
      `decided: ${kind}`,
      (bot: BotRecord) => decisions.filter((one) => one.kind === kind).map((decision) => decided(bot, decision)),
    ]),
  ),
  configured: (bot) => [configured(bot, { shape, specSealed: new Uint8Array([3]) })],
  reborn: (bot) => [reborn(bot, now)],
  decidedAnew: (bot) => [decidedAnew(bot)],
  placed: (bot) => [placed(bot, 'w1'), placed(bot, 'w3')],
  returned: (bot) => [returned(bot, 'w1', true), returned(bot, 'w1', false)],
  freed: (bot) => [freed(bot, 'w1', true), freed(bot, 'w1', false)],
  reverted: (bot) => [
    reverted(bot, { shape: undefined, end: 'cancelled' }),
    reverted(bot, { shape, end: 'failed', doubt: { taskId: 't3', isSilent: true } }),
  ],
  resumed: (bot) => [resumed(bot)],
  settled: (bot) => [settled(bot, 'start'), settled(bot, 'stop')],
  outliving: (bot) => [outliving(bot, 't3')],
  carriedOut: (bot) => [carriedOut(bot, true), carriedOut(bot, false)],
  blamed: (bot) => [blamed(bot, 'no network')],
  observed: (bot, { state, observed: seen, workerId, epoch }) => [
    observed(bot, workerId ?? '', { epoch, state, observed: seen, observedAt: now })?.bot,
  ],
  warned: (bot) => [warned(bot, 9_999, { code: 'MAX_RUNTIME_SOON', message: 'soon' })],
  limited: (bot) => [limited(bot, 0), limited(bot, 2_000)],
  followingClock: (bot) => [followingClock(bot, -100)],
  boundAge: (bot) => [boundAge(bot, now)],
  recorded: (bot, other) => [
    recorded(bot, { before: other, seq: 77, eventSeq: 78, now, seen: () => ({ generation: 20, epoch: 20 }) }),
  ],
};

/** Field by field, the writers that change it for some bot. */
function writersByField(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  fc.assert(
    fc.property(anyBot, anyBot, (bot, other) => {
      for (const [name, write] of Object.entries(writers)) {
        for (const next of write(bot, other)) {
          if (next === undefined) continue;
          for (const field of Object.keys(bot) as (keyof BotFields)[]) {
            if (JSON.stringify(next[field]) === JSON.stringify(bot[field])) continue;
            found.set(field, (found.get(field) ?? new Set()).add(name));
          }
        }
      }
    }),
    { numRuns: 2_000, seed: 1 },
  );
  return found;
}

it('docs/bot-model.md says of each field who writes it', () => {
  const page = readFileSync(checkoutPath('docs/bot-model.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` \|.*\|([^|]*)\|$/gm)];
  const told = Object.fromEntries(
    rows.map(([, field, by = '']) => [field, [...by.matchAll(/`([^`]+)`/g)].map(([, name]) => name).sort()]),
  );
  const found = writersByField();
  const fields = Object.keys(newBot({ userId: 'ann', botId: 'echo' }, shape, now));
  const wanted = Object.fromEntries(fields.map((field) => [field, [...(found.get(field) ?? [])].sort()]));
  expect(told).toEqual(wanted);
});
