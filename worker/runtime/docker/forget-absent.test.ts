import { expect, test } from 'vitest';
import { createRecordingLogger } from '../../../test/kit/recording-logger.ts';
import { createPrivateImages, fewOfUser } from '../../state/private-images.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal } from './engine-errors.ts';
import { forgetAbsentImages } from './forget-absent.ts';

const sha = `sha256:${'a'.repeat(64)}`;
const digest = (n: number) => `registry.example:5000/ann/${n}@${sha}`;
const { signal } = new AbortController();

/** An engine that has one image by digest, and one by tag; `fails`: it is away. */
const engineWith = (fails: boolean) => {
  const call: EngineClient['call'] = ({ path }) => {
    if (fails) return Promise.reject(new Error('away'));
    if (path === '/images/json') {
      return Promise.resolve([{ RepoTags: ['registry.example:5000/ann/tagged:1'], RepoDigests: [digest(0)] }]);
    }
    if (path === `/images/${encodeURIComponent(digest(0))}/json`) return Promise.resolve({ RepoTags: [] });
    return Promise.reject(new EngineRefusal(404, 'no such image'));
  };
  // Nothing else of it is used.
  return { call } as EngineClient;
};

async function known() {
  const images = createPrivateImages({}, async () => {});
  (await images.beginPull('registry.example:5000/ann/tagged', 'ann')).leave();
  (await images.beginPull('registry.example:5000/ann/gone', 'ann')).leave();
  for (let n = 0; n < fewOfUser; n += 1) await images.addUser(digest(n), 'ann');
  return images;
}

test('what the engine has no more is forgotten, by digest and by repository', async () => {
  const { logger, lines } = createRecordingLogger();
  const privateImages = await known();
  await forgetAbsentImages({ engine: engineWith(false), privateImages, logger }, 'ann', signal);
  const of = (name: string) => privateImages.usersOf(name);
  expect([of(digest(0)), of(`registry.example:5000/ann/tagged@${sha}`)]).toEqual([['ann'], ['ann']]);
  expect([of(digest(1)), of(`registry.example:5000/ann/gone@${sha}`)]).toEqual([undefined, undefined]);
  expect(lines).toEqual([]);
});

test('an engine that does not answer makes nothing forgotten, and no pull fail', async () => {
  const { logger, lines } = createRecordingLogger();
  const privateImages = await known();
  await forgetAbsentImages({ engine: engineWith(true), privateImages, logger }, 'ann', signal);
  expect(privateImages.usersOf(digest(1))).toEqual(['ann']);
  expect(lines).toHaveLength(1);
});
