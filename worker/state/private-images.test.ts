import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { createBotRecords, emptyKeptBot } from '../bots/bot-records.ts';
import { createPrivateImages, fewOfUser } from './private-images.ts';
import { openStateDir } from './state-dir.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'private-images-'));
});
afterEach(() => rm(dir, { recursive: true }));

const image = (name: string) => `registry.example/team/${name}@sha256:${'a'.repeat(64)}`;

test('who has an image stays known over a restart, until it is public', async () => {
  const first = await openStateDir(dir, undefined);
  expect(first.privateImages.usersOf(image('a'))).toBeUndefined();
  await first.privateImages.addUser(image('a'), 'ann');
  await first.privateImages.addUser(image('a'), 'ben');
  await first.privateImages.addUser(image('b'), 'ann');
  await first.privateImages.markPublic(image('b'));
  await first.close();
  const second = await openStateDir(dir, undefined);
  expect(second.privateImages.usersOf(image('a'))).toEqual(['ann', 'ben']);
  expect(second.privateImages.usersOf(image('b'))).toBeUndefined();
  await second.close();
});

test('in a folder of a version that did not keep it, what its bots run counts as pulled with a login', async () => {
  await mkdir(join(dir, 'bots'));
  const records = createBotRecords(join(dir, 'bots'), silentLogger);
  const made = { revision: 1n, digest: 'x' };
  for (const [userId, name] of [
    ['ann', 'a'],
    ['ben', 'a'],
    ['ben', 'b'],
  ] as const) {
    const kept = { ...emptyKeptBot({ userId, botId: name }), image: { ...made, pinned: image(name) } };
    await records.save({ ...kept, formerImage: { ...made, pinned: image('old') } });
  }
  await records.save({ ...emptyKeptBot({ userId: 'eve', botId: 'git' }), image: { ...made, pinned: 'c'.repeat(40) } });
  await writeFile(join(dir, 'bots', 'damaged.json'), '{');
  const { privateImages, close } = await openStateDir(dir, undefined);
  expect(privateImages.usersOf(image('a'))?.toSorted()).toEqual(['ann', 'ben']);
  expect(privateImages.usersOf(image('b'))).toEqual(['ben']);
  expect(privateImages.usersOf(image('old'))?.toSorted()).toEqual(['ann', 'ben']);
  await close();
  // Asked once: what was found to be public since then stays so.
  const again = await openStateDir(dir, undefined);
  await again.privateImages.markPublic(image('b'));
  await again.close();
  const third = await openStateDir(dir, undefined);
  expect(third.privateImages.usersOf(image('b'))).toBeUndefined();
  await third.close();
});

test('changes at the same time are all kept, and one that could not be kept is kept with the next', async () => {
  let kept: Readonly<Record<string, readonly string[]>> = {};
  const firstBegan = Promise.withResolvers<void>();
  const firstWrite = Promise.withResolvers<void>();
  let writes = 0;
  const images = createPrivateImages({}, async (entries) => {
    writes += 1;
    firstBegan.resolve();
    if (writes === 1) await firstWrite.promise;
    if (writes === 2) throw new Error('the disk is full');
    kept = entries;
  });
  const slow = images.addUser(image('a'), 'ann');
  await firstBegan.promise;
  const failing = images.addUser(image('b'), 'ben');
  failing.catch(() => {});
  firstWrite.resolve();
  await slow;
  await expect(failing).rejects.toThrow('the disk is full');
  expect(kept).toEqual({ [image('a')]: ['ann'] });
  await images.addUser(image('b'), 'ben');
  expect(kept).toEqual({ [image('a')]: ['ann'], [image('b')]: ['ben'] });
});

test("while a pull with a login is under way, and after a kill in the middle of it, what came is its user's", async () => {
  const first = await openStateDir(dir, undefined);
  await first.privateImages.beginPull('registry.example/team/a', 'ann');
  expect(first.privateImages.usersOf(image('a'))).toEqual(['ann']);
  expect(first.privateImages.usersOf(image('b'))).toBeUndefined();
  const other = await first.privateImages.beginPull('registry.example/team/b', 'ann');
  await other.end();
  expect(first.privateImages.usersOf(image('b'))).toBeUndefined();
  await first.close();

  const second = await openStateDir(dir, undefined);
  expect(second.privateImages.usersOf(image('a'))).toEqual(['ann']);
  const again = await second.privateImages.beginPull('registry.example/team/a', 'ann');
  await second.privateImages.addUser(image('a'), 'ben');
  await again.end();
  expect(second.privateImages.usersOf(image('a'))).toEqual(['ben']);
  // Another image of the repository may be what the killed process got.
  const older = image('a').replace(/a{64}/, 'b'.repeat(64));
  expect(second.privateImages.usersOf(older)).toEqual(['ann']);
  await second.privateImages.markPublic(older);
  expect(second.privateImages.usersOf(older)).toBeUndefined();
  await second.close();
  const third = await openStateDir(dir, undefined);
  expect(third.privateImages.usersOf(older)).toBeUndefined();
  await third.close();
});

describe('what is known of images that the engine has no more', () => {
  const digest = (n: number) => `registry.example/ann/${n}@sha256:${'a'.repeat(64)}`;
  const repository = (n: number) => `registry.example/ann/${n}`;
  const gone = () => Promise.resolve(true);
  const create = () => {
    let kept: Readonly<Record<string, readonly string[]>> = {};
    const images = createPrivateImages({}, async (entries) => {
      kept = entries;
    });
    return { images, size: () => Object.keys(kept).length };
  };

  test('does not grow with the pulls of a user, and nothing goes that is there', async () => {
    const { images, size } = create();
    const there = new Set(Array.from({ length: 10 }, (_, n) => digest(n * 7)));
    await images.addUser(image('other'), 'ben');
    for (let n = 0; n < 500; n += 1) {
      await images.forgetAbsent('ann', async (name) => !there.has(name));
      const pull = await images.beginPull(repository(n), 'ann');
      await images.addUser(digest(n), 'ann');
      // Half of them are given up.
      if (n % 2 === 0) await pull.end();
      else pull.leave();
    }
    expect(size()).toBeLessThan(2 * (there.size + fewOfUser));
    for (const name of there) expect(images.usersOf(name)).toEqual(['ann']);
    // Those of other users are theirs.
    expect(images.usersOf(image('other'))).toEqual(['ben']);
  });

  test('stays while there is little of it, and if it came back or is being pulled during the look', async () => {
    const { images } = create();
    for (let n = 0; n < fewOfUser; n += 1) await images.addUser(digest(n), 'ann');
    await images.forgetAbsent('ann', gone);
    expect(images.usersOf(digest(0))).toEqual(['ann']);
    await images.addUser(digest(fewOfUser), 'ann');
    const seen: string[] = [];
    let pull: { readonly end: () => Promise<void> } | undefined;
    await images.forgetAbsent('ann', async (name) => {
      seen.push(name);
      if (name !== digest(0)) return true;
      await images.addUser(name, 'ann');
      pull = await images.beginPull(repository(1), 'ann');
      return true;
    });
    expect(seen).toEqual([0, 1, 2, 3].map(digest));
    expect([0, 1, 2, 3].map((n) => images.usersOf(digest(n)))).toEqual([['ann'], ['ann'], undefined, undefined]);
    await pull?.end();
    expect(images.usersOf(digest(1))).toBeUndefined();
  });

  test('a pull that may have brought something is remembered, also when another one of it ends well', async () => {
    const { images } = create();
    const first = await images.beginPull(repository(1), 'ann');
    const second = await images.beginPull(repository(1), 'ann');
    first.leave();
    await second.end();
    expect(images.usersOf(digest(1))).toEqual(['ann']);
  });

  test('a look that fails changes nothing', async () => {
    const { images } = create();
    for (let n = 0; n <= fewOfUser; n += 1) await images.addUser(digest(n), 'ann');
    await expect(images.forgetAbsent('ann', () => Promise.reject(new Error('away')))).rejects.toThrow('away');
    for (let n = 0; n <= fewOfUser; n += 1) expect(images.usersOf(digest(n))).toEqual(['ann']);
  });
});
