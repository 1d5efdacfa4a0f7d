import { expect, it } from 'vitest';
import { isTransient } from '../../failures/transient.ts';
import type { EngineCall, EngineClient } from './engine-client.ts';
import { EngineRefusal, sortedError } from './engine-errors.ts';
import { removeLeftovers, runShortly } from './short-run.ts';

const signal = AbortSignal.timeout(20_000);

function engineWith(answer: (call: EngineCall, signal: AbortSignal) => unknown) {
  const removed: string[] = [];
  const engine: EngineClient = {
    kind: async () => 'docker',
    api: async () => 41,
    async call(call, limit) {
      if (call.method === 'DELETE') removed.push(call.path);
      return answer(call, limit);
    },
    stream: () => Promise.reject(new Error('no streams here')),
  };
  return { engine, removed };
}

it('a run that hangs is over in time as an engine that does not answer, and its container is removed', async () => {
  const { engine, removed } = engineWith(({ path }, limit) => {
    if (!path.endsWith('/wait')) return { Id: 'c1' };
    return new Promise((_, reject) => {
      limit.addEventListener('abort', () => reject(sortedError(limit.reason, path, limit)));
    });
  });
  const failure = await runShortly(engine, { body: {}, timeoutMs: 20 }, signal).catch((error: unknown) => error);
  expect(isTransient(failure)).toBe(true);
  expect(removed).toEqual(['/containers/c1']);
});

it('a run that its caller gives up ends with what the caller gave as the reason', async () => {
  const caller = new AbortController();
  const reason = new Error('not needed any more');
  const { engine } = engineWith(({ path }, limit) => {
    if (!path.endsWith('/wait')) return { Id: 'c1' };
    caller.abort(reason);
    throw sortedError(limit.reason, path, limit);
  });
  await expect(runShortly(engine, { body: {}, timeoutMs: 20_000 }, caller.signal)).rejects.toBe(reason);
});

it('a leftover that cannot be removed stays, and holds up nothing', async () => {
  const { engine, removed } = engineWith(({ method, path }) => {
    if (method === 'GET') return [{ Id: 'stuck' }, { Id: 'c2' }];
    if (path.endsWith('stuck')) throw new EngineRefusal(500, 'device or resource busy');
    return {};
  });
  await removeLeftovers(engine, { label: ['a=b'] }, signal);
  expect(removed).toEqual(['/containers/stuck', '/containers/c2']);
});
