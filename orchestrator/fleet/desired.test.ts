import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import type { BotKey } from '#common/ids.ts';
import { type DesiredSet, type Ensure, EnsureSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import type { DesireTable } from '../store/tables.ts';
import { type DesiredSource, type DesiredTold, nextToTell, tellAll, toldNothing, wholeSet } from './desired.ts';

const ensure = (botId: string, taskId = ''): Ensure => create(EnsureSchema, { userId: 'ann', botId, taskId });

/** A worker with bots, which a test changes. */
function createSource(...bots: Ensure[]) {
  const asked: string[] = [];
  const here = new Map(bots.map((bot) => [bot.botId, bot]));
  const changed: { readonly key: BotKey; readonly version: number }[] = [];
  let [version, floor] = [1, 1];
  const desires: DesireTable = {
    version: () => version,
    since: (_worker, from) =>
      from < floor ? undefined : changed.filter((c) => c.version > from).map(({ key }) => key),
  };
  const source: DesiredSource<{ readonly desires: DesireTable }> = {
    all: () => {
      asked.push('all');
      return [...here.values()];
    },
    of: (_tx, _worker, { botId }) => {
      asked.push(botId);
      const bot = here.get(botId);
      return bot === undefined ? [] : [bot];
    },
    keys: () => [...here.values()],
    kept: () => [{ userId: 'ann', botId: 'kept' }],
    now: () => undefined,
  };
  const next = (told: DesiredTold | undefined, nowMs = 0) =>
    nextToTell(source, async (work) => work({ desires }), { workerId: 'w1', told }, nowMs);
  return {
    asked,
    next,
    /** A session that was told everything. */
    begin() {
      const told = toldNothing();
      tellAll(told, wholeSet(source, { desires }, 'w1'), 0, 0);
      return { told, next: (nowMs = 0) => next(told, nowMs) };
    },
    change(botId: string, bot?: Ensure) {
      version += 1;
      changed.push({ key: { userId: 'ann', botId }, version });
      if (bot === undefined) here.delete(botId);
      else here.set(botId, bot);
    },
    forget: () => {
      floor = version + 1;
      version = floor;
    },
  };
}

it('says that nothing has changed without looking at any bot', async () => {
  const { begin, asked } = createSource(...Array.from({ length: 1_000 }, (_, n) => ensure(`b${n}`)));
  const { next } = begin();
  asked.length = 0;
  expect(await next()).toMatchObject({
    case: 'desiredChanges',
    value: { baseVersion: 1n, version: 1n, bots: [], gone: [] },
  });
  expect(asked).toEqual([]);
});

it('tells what has changed since, once, each message based on the one before', async () => {
  const { begin, change } = createSource(ensure('a'), ensure('b'));
  const { next } = begin();
  change('a', ensure('a'));
  change('b');
  change('kept');
  expect(await next()).toMatchObject({
    value: { baseVersion: 1n, version: 4n, bots: [{ botId: 'a' }], gone: [{ botId: 'b' }] },
  });
  expect(await next()).toMatchObject({ value: { baseVersion: 4n, version: 4n, bots: [], gone: [] } });
});

it('tells of a bot with a task again and again until the task is done', async () => {
  const { begin, change } = createSource(ensure('a', 't1'), ensure('b'));
  const { next } = begin();
  for (let n = 0; n < 2; n++) expect(await next()).toMatchObject({ value: { bots: [{ botId: 'a', taskId: 't1' }] } });
  change('a', ensure('a'));
  expect(await next()).toMatchObject({ value: { bots: [{ botId: 'a', taskId: '' }] } });
  expect(await next()).toMatchObject({ value: { bots: [] } });
});

it.each([
  ['the worker asks for it', true, 0],
  ['it is due', false, 10 * 60 * 1000],
])('tells everything when %s, and continues from there', async (_when, wanted, nowMs) => {
  const { begin, change } = createSource(ensure('a'), ensure('b'));
  const session = begin();
  session.told.wanted = wanted;
  change('b', ensure('b'));
  expect(await session.next(nowMs)).toMatchObject({
    case: 'desiredSet',
    value: { version: 2n, bots: [{ botId: 'a' }, { botId: 'b' }] },
  });
  expect(await session.next(nowMs)).toMatchObject({ value: { baseVersion: 2n, version: 2n, bots: [] } });
});

it('tells everything when what has changed is not known any more', async () => {
  const { begin, forget } = createSource(ensure('a'));
  const { next } = begin();
  forget();
  expect(await next()).toMatchObject({ case: 'desiredSet', value: { bots: [{ botId: 'a' }] } });
});

it('reads the whole set of a large worker in many turns; what changes meanwhile is in it as it is at the end', async () => {
  const { begin, change, asked } = createSource(...Array.from({ length: 100 }, (_, n) => ensure(`b${n}`)));
  const { told, next } = begin();
  told.wanted = true;
  asked.length = 0;
  const telling = next();
  while (asked.length === 0) await Promise.resolve();
  expect(asked.length).toBeLessThan(100);
  change('new', ensure('new'));
  // Read already: a worker that has just removed it would start it again.
  change('b0');
  change('b1', ensure('b1', 't1'));
  const { value } = await telling;
  expect(value).toMatchObject({ version: 4n });
  const bots = (value as DesiredSet).bots.map(({ botId, taskId }) => [botId, taskId]);
  expect(bots).toHaveLength(100);
  expect(bots).toEqual(
    expect.arrayContaining([
      ['new', ''],
      ['b1', 't1'],
      ['b99', ''],
    ]),
  );
  expect(bots.map(([botId]) => botId)).not.toContain('b0');
  expect(await next()).toMatchObject({ value: { baseVersion: 4n, version: 4n, bots: [{ botId: 'b1' }], gone: [] } });
});

it('tells a worker that knows no changes everything each time', async () => {
  const { next } = createSource(ensure('a'));
  for (let n = 0; n < 2; n++) {
    expect(await next(undefined)).toMatchObject({
      case: 'desiredSet',
      value: { bots: [{ botId: 'a' }] },
    });
  }
});
