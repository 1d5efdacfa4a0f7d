import { expect, test } from 'vitest';
import { removeLayers } from './build-scope.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal } from './engine-errors.ts';

/** An engine with layers, some of them in use and one with a name. */
function engineWith(layers: Map<string, 'free' | 'in use' | 'named'>): EngineClient {
  return {
    kind: async () => 'docker',
    api: async () => 41,
    async call({ method, path }) {
      const id = path.split('/')[2] ?? '';
      const kind = layers.get(id);
      if (kind === undefined) throw new EngineRefusal(404, 'no such image');
      if (method === 'GET') return { RepoTags: kind === 'named' ? ['bot:1'] : [], RepoDigests: [] };
      if (kind === 'in use') throw new EngineRefusal(409, 'image is being used by a container');
      layers.delete(id);
      return [];
    },
    stream: () => Promise.reject(new Error('nothing is streamed here')),
  };
}

test('layers that a step still holds are counted, so that they can be removed when it has ended', async () => {
  const layers = new Map<string, 'free' | 'in use' | 'named'>([
    ['below', 'in use'],
    ['above', 'free'],
    ['other', 'named'],
  ]);
  const engine = engineWith(layers);
  const { signal } = new AbortController();
  expect(await removeLayers(engine, ['below', 'above', 'other', 'absent'], signal)).toBe(1);
  expect([...layers.keys()]).toEqual(['below', 'other']);
  layers.set('below', 'free');
  expect(await removeLayers(engine, ['below', 'above', 'other'], signal)).toBe(0);
  expect([...layers.keys()]).toEqual(['other']);
});
