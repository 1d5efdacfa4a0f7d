import { expect, it } from 'vitest';
import { EngineRefusal } from '../../worker/runtime/docker/engine-errors.ts';
import { type RawEngine, removeAllOf } from './docker-harness.ts';

it('waits for a container that is already being removed, and ignores one that is gone', async () => {
  let tries = 0;
  const removed: string[] = [];
  const lists: Readonly<Record<string, unknown>> = {
    '/containers/json': [{ Id: 'leaving' }, { Id: 'gone' }, { Id: 'idle' }],
    '/images/json': [],
    '/volumes': { Volumes: null },
    '/networks': [{ Name: 'net_contract_abc' }, { Name: 'nets' }, { Name: 'net' }],
  };
  const engine: RawEngine = {
    async get(path) {
      if (path in lists) return lists[path];
      throw new EngineRefusal(404, `No such container: ${path}`);
    },
    post: async () => undefined,
    async remove(path) {
      if (path.endsWith('/leaving')) {
        tries += 1;
        if (tries === 3) throw new EngineRefusal(404, 'No such container: leaving');
        throw new EngineRefusal(409, 'removal of container leaving is already in progress');
      }
      if (path.endsWith('/gone')) throw new EngineRefusal(404, 'No such container: gone');
      removed.push(path);
    },
  };
  await removeAllOf(engine, 'contract', 'net');
  expect([tries, removed]).toEqual([3, ['/containers/idle', '/networks/net_contract_abc', '/networks/net']]);
});
