/** What everybody who decides over a store relies on, whatever it is kept in. */
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProblemError, problem } from '#common/problem.ts';
import type { Store } from '../../../orchestrator/store/store.ts';
import type { Reading, Tables } from '../../../orchestrator/store/tables.ts';
import { aBot, aJob, anEvent, aTask } from '../../../orchestrator/store/testing/rows.ts';
import { wantBot, wantIdempotencyKey } from '../../../orchestrator/store/want.ts';
import type { StoreHarness } from './harness.ts';

const bot = aBot('echo');
const names = (store: Store) => store.look([], (tx) => tx.bots.ofUser('ann').map(({ botId }) => botId));
const eventIds = async (store: Store) => (await store.events.after(0, 1_000)).map(({ eventId }) => eventId);
const refused = () => new ProblemError(problem('QUOTA_EXCEEDED', 'No more.'));

/** Takes one of `places`, as a start takes one of its user's. */
function takePlace(tx: Tables, botId: string, places: number): void {
  if (tx.bots.activeOf('ann').size >= places) throw refused();
  tx.bots.put(aBot(botId));
}

export function describeStore(name: string, open: () => Promise<StoreHarness>): void {
  let harness: StoreHarness;
  let store: Store;
  beforeEach(async () => {
    harness = await open();
    store = harness.store;
  });
  afterEach(() => harness.end());

  describe(`${name}: changes`, () => {
    it('are seen by every look that begins after their answer, and by a store that is opened again', async () => {
      await store.change([wantBot(bot)], (tx) => tx.bots.put(bot));
      expect(await store.look([wantBot(bot)], (tx) => tx.bots.get(bot))).toEqual(bot);
      const again = await harness.reopen();
      expect(await again.look([], (tx) => tx.bots.get(bot))).toEqual(bot);
      expect(await again.look([], (tx) => tx.bots.get({ userId: 'ann', botId: 'Echo' }))).toBeUndefined();
    });

    it('need not name what they want', async () => {
      await store.change([], (tx) => {
        tx.bots.put(bot);
        tx.jobs.put(aJob('job-1', 'echo', 'running'));
        tx.tasks.put(aTask('task-1', 'job-1', 'accepted'));
      });
      const seen = await store.change([], (tx) => {
        const [job] = tx.jobs.openOfBot(bot);
        const task = job?.taskId ? tx.tasks.get(job.taskId) : undefined;
        const here = tx.bots.ofWorker('w1').map(({ botId }) => botId);
        return { job: job?.jobId, task: task?.taskId, here, reserved: tx.bots.reservedOn('w1').memoryBytes };
      });
      expect(seen).toEqual({ job: 'job-1', task: 'task-1', here: ['echo'], reserved: 256 });
    });

    it('that throw are undone, each alone, and the rest of their turn is kept', async () => {
      const good = store.change([], (tx) => tx.bots.put(bot));
      const bad = store.change([], (tx) => {
        tx.bots.put(aBot('bad'));
        tx.outbox.add(anEvent('bad', 'bad'));
        tx.artifacts.addChunk('bad', 0, Buffer.from('bytes'));
        tx.meta.put('bad', '1');
        throw new Error('no');
      });
      const other = store.change([], (tx) => tx.bots.put(aBot('other')));
      await expect(bad).rejects.toThrow('no');
      await Promise.all([good, other]);
      const again = await harness.reopen();
      expect(await names(again)).toEqual(['echo', 'other']);
      expect(await eventIds(again)).toEqual([]);
      expect(await again.chunks.chunk('bad', 0)).toBeUndefined();
      expect(await again.look([], (tx) => tx.meta.get('bad'))).toBeUndefined();
    });

    it('count and insert without a race: of twenty at once for three places, three get one', async () => {
      const asked = Array.from({ length: 20 }, (_, n) => store.change([], (tx) => takePlace(tx, `b${n}`, 3)));
      const ended = await Promise.allSettled(asked);
      expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
      expect(await names(store)).toHaveLength(3);
    });

    it('give a credential to one worker: of two that join at once with the same, one is refused', async () => {
      const credentialSha256 = 'a'.repeat(64);
      const join = (workerId: string) =>
        store.change([], ({ workers }) => {
          if (workers.accessWith(credentialSha256) !== undefined) throw refused();
          workers.putAccess({ workerId, credentialSha256, revoked: false });
        });
      const joined = await Promise.allSettled([join('w1'), join('w2')]);
      expect(joined.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      const has = (of: Store) => of.look([], ({ workers }) => workers.accessWith(credentialSha256)?.workerId);
      expect(await has(await harness.reopen())).toBe(joined[0]?.status === 'fulfilled' ? 'w1' : 'w2');
    });

    it('with one Idempotency-Key make one job, at once and later, also after it was opened again', async () => {
      const make = (from: Store, jobId: string) =>
        from.change([wantIdempotencyKey('ann', 'k')], (tx) => {
          const known = tx.idempotency.get('ann', 'k');
          if (known !== undefined) return known.jobId;
          tx.idempotency.put('ann', 'k', 'body', jobId, 1);
          tx.jobs.put(aJob(jobId, 'echo', 'running'));
          return jobId;
        });
      const [first, second] = await Promise.all([make(store, 'job-1'), make(store, 'job-2')]);
      expect(second).toBe(first);
      const again = await harness.reopen();
      expect(await make(again, 'job-3')).toBe(first);
      expect(await again.look([], (tx) => tx.jobs.withStatus('running').map(({ jobId }) => jobId))).toEqual([first]);
    });

    it('of one turn are decided in the order in which they were asked for', async () => {
      const append = (text: string) =>
        store.change([], (tx) => tx.meta.put('order', `${tx.meta.get('order') ?? ''}${text}`));
      await Promise.all(['a', 'b', 'c'].map(append));
      await append('d');
      expect(await store.look([], (tx) => tx.meta.get('order'))).toBe('abcd');
    });

    it('of what has ended find it where it is kept', async () => {
      await store.change([], (tx) => {
        tx.jobs.put(aJob('job-1', 'echo', 'completed'));
        tx.jobs.addStep('job-1', 'init', 1);
        tx.tasks.put(aTask('task-1', 'job-1', 'done'));
      });
      await store.change([], (tx) => tx.jobs.addStep('job-1', 'done', 2));
      const again = await harness.reopen();
      const seen = await again.look([], (tx) => [tx.jobs.get('job-1')?.status, tx.tasks.get('task-1')?.status]);
      expect(seen).toEqual(['completed', 'done']);
      expect(await again.look([], (tx) => tx.jobs.steps('job-1'))).toEqual([
        { state: 'init', at: 1 },
        { state: 'done', at: 2 },
      ]);
    });
  });

  describe(`${name}: looks`, () => {
    it('cannot write', async () => {
      const writing = store.look([], (tx) => (tx as Tables).bots.put(bot));
      await expect(writing).rejects.toThrow('a look has written');
      expect(await names(store)).toEqual([]);
    });

    it('reject with what their work throws', async () => {
      await expect(
        store.look([], () => {
          throw refused();
        }),
      ).rejects.toThrow('No more.');
    });

    it('are of one moment: rows and the place in the log of events belong together', async () => {
      const both = (n: number) =>
        store.change([], (tx) => {
          tx.bots.put(aBot('echo', { generation: n }));
          tx.outbox.add(anEvent(`e${n}`, 'echo', n));
        });
      const changes = (async () => {
        for (let n = 1; n <= 20; n++) await both(n);
      })();
      for (let looks = 0; looks < 40; looks++) {
        const { generation, seq } = await store.look([], (tx) => ({
          generation: tx.bots.get(bot)?.generation ?? 0,
          seq: tx.outbox.lastSeq(),
        }));
        expect(seq).toBe(generation);
        await setImmediate();
      }
      await changes;
    });
  });

  describe(`${name}: events`, () => {
    it('are numbered without a hole, in the order of their commits, and told of when they can be read', async () => {
      const told: number[] = [];
      store.onEvents(() => told.push(store.lastSeq()));
      await Promise.all(
        Array.from({ length: 12 }, (_, n) =>
          store
            .change([], (tx) => {
              tx.outbox.add(anEvent(`e${n}`, 'echo', n));
              if (n % 4 === 0) throw refused();
            })
            .catch(() => undefined),
        ),
      );
      const events = await store.events.after(0, 100);
      expect(events.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(told.at(-1)).toBe(9);
      expect((await store.events.after(7, 1)).map(({ seq }) => seq)).toEqual([8]);
      const again = await harness.reopen();
      expect(again.lastSeq()).toBe(9);
      expect(await again.change([], (tx) => tx.outbox.add(anEvent('next', 'echo', 99)).seq)).toBe(10);
      expect((await again.events.ofUserAfter('ann', 8, 9)).map(({ seq }) => seq)).toEqual([9, 10]);
      expect(await again.events.ofUserAfter('bob', 0, 9)).toEqual([]);
    });

    it('of a bot are found by works and by readers', async () => {
      await store.change([], (tx) => {
        tx.bots.put(aBot('echo', { eventSeq: 2 }));
        tx.outbox.add(anEvent('one', 'echo', 1));
        tx.outbox.add(anEvent('two', 'echo', 2));
      });
      const latest = (tx: Pick<Reading, 'outbox'>) => [tx.outbox.latestOfBot(bot)?.eventId, tx.outbox.lastBotSeq(bot)];
      expect(await store.look([], latest)).toEqual(['two', 2]);
      expect(
        await store.change([], (tx) => {
          tx.outbox.add(anEvent('three', 'echo', 3));
          return latest(tx);
        }),
      ).toEqual(['three', 3]);
      expect(
        (await store.events.lastOf('ann', { botId: 'echo', jobs: true }, 2)).map(({ eventId }) => eventId),
      ).toEqual(['two', 'three']);
    });

    it('that are old are pruned up to one number, but for the newest of each bot', async () => {
      await store.change([], (tx) => {
        tx.bots.put(aBot('echo', { eventSeq: 1 }));
        for (let n = 1; n <= 6; n++) tx.outbox.add(anEvent(`e${n}`, n === 1 ? 'echo' : 'gone', n));
      });
      await store.upkeep.pruneEvents({ before: 0, keep: 2, limit: 100 });
      expect(await store.events.floor('ann')).toBe(4);
      expect((await store.events.after(0, 100)).map(({ seq }) => seq)).toEqual([1, 5, 6]);
      expect((await store.events.latestOfBots(0, 9)).map(({ seq }) => seq)).toEqual([1]);
      // What stayed is passed: fewer than so many can be asked for.
      expect(await store.upkeep.eventCount()).toBe(2);
    });
  });

  describe(`${name}: events of many users`, () => {
    it('beyond the number that is kept go first for the user who has the most, and only that one misses any', async () => {
      const add = (userId: string, count: number) =>
        store.change([], (tx) => {
          for (let n = 1; n <= count; n++) tx.outbox.add({ ...anEvent(`${userId}-${n}`, 'gone', n), userId });
        });
      await add('ann', 5);
      await add('bob', 40);
      await add('eve', 8);
      let rounds = 0;
      while ((await store.upkeep.pruneEvents({ before: 0, keep: 30, limit: 7 })) > 0) rounds += 1;
      expect(rounds).toBeGreaterThan(2);
      const again = await harness.reopen();
      const kept = async (userId: string) => (await again.events.ofUserAfter(userId, 0, 99)).length;
      expect([await kept('ann'), await kept('bob'), await kept('eve')]).toEqual([5, 17, 8]);
      const floors = await Promise.all(['ann', 'bob', 'eve'].map((userId) => again.events.floor(userId)));
      expect(floors).toEqual([0, 5 + 23, 0]);
      expect((await again.events.ofUserAfter('bob', 0, 99))[0]?.seq).toBe(5 + 24);
      expect(await again.upkeep.eventCount()).toBe(30);
    });
  });

  describe(`${name}: the disk`, () => {
    it('that is full refuses a change whole, with STORAGE_FULL, and takes the next one when there is room', async () => {
      await store.change([], (tx) => tx.bots.put(bot));
      harness.fillDisk(true);
      const large = (name: string) =>
        store.change([], (tx) => {
          tx.bots.put(aBot(name));
          tx.outbox.add(anEvent(name, name));
          tx.artifacts.addChunk(name, 0, new Uint8Array(2_000_000));
        });
      await expect(large('large')).rejects.toMatchObject({ problem: { code: 'STORAGE_FULL' } });
      expect(await names(store)).toEqual(['echo']);
      harness.fillDisk(false);
      await large('later');
      const again = await harness.reopen();
      expect(await names(again)).toEqual(['echo', 'later']);
      expect(await eventIds(again)).toEqual(['later']);
    });

    it('has what was queued when it was closed', async () => {
      const queued = store.change([], (tx) => tx.bots.put(bot), 'soon');
      const again = await harness.reopen();
      await queued;
      expect(await names(again)).toEqual(['echo']);
    });
  });

  describe(`${name}: sources`, () => {
    it('are there once, whole, with those who uploaded them', async () => {
      const finish = (uploadId: string, userId: string) =>
        store.change([], (tx) => {
          tx.artifacts.growUpload({ uploadId, userId, createdAt: 1 }, 0, Buffer.from('bytes'));
          const isUsed = tx.artifacts.finish(uploadId, 'sha', 5, 1);
          tx.artifacts.own(userId, 'sha', 1);
          return isUsed;
        });
      expect([await finish('u1', 'ann'), await finish('u2', 'bob')]).toEqual([true, false]);
      await store.change([], (tx) =>
        tx.artifacts.growUpload({ uploadId: 'u3', userId: 'ann', createdAt: 1 }, 0, Buffer.from('lost')),
      );
      const held = (of: Store) =>
        of.look([], ({ artifacts }) => ['ann', 'bob', 'eve'].map((user) => artifacts.heldBy(user)));
      const five = { sources: 1, sourceBytes: 5, uploadBytes: 0 };
      const none = { sources: 0, sourceBytes: 0, uploadBytes: 0 };
      expect(await held(store)).toEqual([{ ...five, uploadBytes: 4 }, five, none]);
      await store.change([], (tx) => tx.artifacts.discardUpload('u3'));
      expect([...(await store.upkeep.unfinishedUploads())].sort()).toEqual(['u2', 'u3']);
      for (const upload of ['u2', 'u3']) expect(await store.upkeep.removeChunks(upload, 9)).toBe(1);
      const again = await harness.reopen();
      expect(await held(again)).toEqual([five, five, none]);
      const seen = await again.look([], ({ artifacts }) => ({
        sha: artifacts.get('sha')?.uploadId,
        isBobs: artifacts.isOwnedBy('bob', 'sha'),
        isEves: artifacts.isOwnedBy('eve', 'sha'),
      }));
      expect(seen).toEqual({ sha: 'u1', isBobs: true, isEves: false });
      expect(Buffer.from((await again.chunks.chunk('u1', 0))?.bytes ?? []).toString()).toBe('bytes');
      expect(await again.chunks.chunkSize('u1', 0)).toEqual({ storedBytes: 5, isSealed: true });
      expect([await again.chunks.chunk('u2', 0), await again.chunks.chunk('u3', 0)]).toEqual([undefined, undefined]);
      const owned = ['ann', 'bob'].map((userId) => ({ userId, sha256: 'sha' }));
      expect((await again.upkeep.ownedAfter({ userId: '', sha256: '' }, 9)).map((row) => ({ ...row }))).toMatchObject(
        owned,
      );
      expect(await again.upkeep.ownedBy('bob')).toEqual(['sha']);
      const removed = await again.change([], ({ artifacts }) => [
        artifacts.disown('bob', 'sha'),
        artifacts.get('sha')?.uploadId,
        artifacts.disown('ann', 'sha'),
        // Also in the work that removes it, and though it is still where it is kept.
        artifacts.get('sha'),
        artifacts.isOwnedBy('ann', 'sha'),
      ]);
      expect(removed).toEqual([undefined, 'u1', 'u1', undefined, false]);
      expect(await held(again)).toEqual([none, none, none]);
      expect(await again.upkeep.removeChunks('u1', 9)).toBe(1);
      expect(await again.look([], ({ artifacts }) => artifacts.get('sha'))).toBeUndefined();
    });
  });
}
