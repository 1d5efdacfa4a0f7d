/** A start that a killed engine left half done: what its runtime already has makes the next one fail, until that is gone. */
import { expect, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { containerName } from '#common/ids.ts';
import { silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import { noLostRuns } from '../../../test/kit/no-lost-runs.ts';
import { openFirewall } from '../../../test/kit/open-firewall.ts';
import { plainIsolation } from '../../../test/kit/plain-isolation.ts';
import { wideDisk } from '../../../test/kit/wide-disk.ts';
import { isTransient } from '../../failures/transient.ts';
import { EngineUnavailableError } from '../container-runtime.ts';
import { signedLabels } from '../labels.ts';
import { noneTaken } from '../strays.ts';
import { createCodeStore } from './code-store.ts';
import { removeContainer, startContainer } from './containers.ts';
import { createDataOwners } from './data-owners.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal } from './engine-errors.ts';
import { createKnownContainers } from './known-containers.ts';
import { createBotNetworks } from './network.ts';
import { defaultSubnets } from './subnets.ts';

const key = { userId: 'ann', botId: 'echo' };
const owner = { workerId: 'w1', signingKey: new Secret(new Uint8Array(32).fill(7)), taken: noneTaken('w1') };
const name = containerName(key);
const startedAt = '2026-11-28T10:00:00.000Z';
const labels = signedLabels(owner.signingKey, name, { key, workerId: 'w1', revision: 1n, epoch: 1n, startedAt });

/** An engine that has one container, and refuses to start it with these words, for as often as given. */
function engineThatRefuses(words: string, status: string, { code = 500, times = Number.POSITIVE_INFINITY } = {}) {
  let isThere = true;
  let starts = 0;
  const engine: EngineClient = {
    kind: async () => 'docker',
    api: async () => 41,
    async call({ method, path }) {
      if (!isThere) throw new EngineRefusal(404, 'no such container');
      if (method === 'DELETE') {
        isThere = false;
        return null;
      }
      if (path.endsWith('/start')) {
        starts += 1;
        if (starts > times) return null;
        if (code === 0) throw new EngineUnavailableError('the engine was killed');
        throw new EngineRefusal(code, words);
      }
      return { Id: 'c1', Name: `/${name}`, Config: { Labels: labels, Env: [] }, State: { Status: status } };
    },
    stream: () => Promise.reject(new Error('nothing is streamed here')),
  };
  const options = { base: 'bots', workerId: owner.workerId, subnets: defaultSubnets };
  const networks = createBotNetworks(engine, options, silentLogger);
  const seen = {
    ...plainIsolation,
    code: createCodeStore('/nonexistent', new Secret(new Uint8Array(32))),
    known: createKnownContainers(),
    owners: createDataOwners(engine, systemClock),
    disk: wideDisk(),
    lostRuns: noLostRuns(),
  };
  const deps = { engine, networks, firewall: openFirewall(), owner, clock: systemClock, logger: silentLogger, ...seen };
  const known = (isSure: boolean) =>
    deps.known.set('c1', { isWhole: true, isPlain: true, userId: key.userId, volume: 'v', isSure });
  const start = () => startContainer(deps, 'c1', AbortSignal.timeout(5_000)).catch((error: unknown) => error);
  const remove = () => removeContainer(deps, 'c1', AbortSignal.timeout(5_000));
  return { start, remove, known, isThere: () => isThere, starts: () => starts, ended: deps.lostRuns.asked };
}

const halfStarted = 'task 88aa698bc9e5a90752e33e3812935420052a4f6ffc41ac238363372f9c35297c: already exists: unknown';

test.each([halfStarted, 'id already in use'])(
  'what runs already is ended, and the bot started then: %s',
  async (words) => {
    const engine = engineThatRefuses(words, 'exited', { times: 1 });
    expect(await engine.start()).toBeUndefined();
    expect(engine.ended).toEqual(['c1 certain']);
    expect(engine.starts()).toBe(2);
  },
);

test('a container that never ran, and that the runtime knows already, makes way for a new one', async () => {
  const engine = engineThatRefuses(halfStarted, 'created');
  const error = await engine.start();
  expect(error).toMatchObject({ problem: { code: 'CONTAINER_ERROR' } });
  expect(isTransient(error)).toBe(true);
  expect(engine.isThere()).toBe(false);
});

test('one that ran before stays, with what its bot wrote, and is tried again', async () => {
  const engine = engineThatRefuses(halfStarted, 'exited');
  expect(isTransient(await engine.start())).toBe(true);
  expect(engine.isThere()).toBe(true);
});

test.each([
  ['exec: "python": executable file not found in $PATH: unknown', 400],
  ['exec: "x": already exists in nobody’s path', 500],
])('a refusal for the bot’s own sake is final, and the container stays: %s', async (words, code) => {
  const engine = engineThatRefuses(words, 'created', { code });
  const error = await engine.start();
  expect(error).toMatchObject({ problem: { code: 'CONTAINER_ERROR' } });
  expect(isTransient(error)).toBe(false);
  expect(engine.isThere()).toBe(true);
});

const stuck = `failed to start shim: mkdir /run/containerd/io.containerd.runtime.v2.task/moby/${'a'.repeat(64)}: file exists: unknown`;

test.each(['created', 'exited'])('one that can never be started again makes way for a new one: %s', async (status) => {
  const engine = engineThatRefuses(stuck, status);
  expect(isTransient(await engine.start())).toBe(true);
  expect(engine.isThere()).toBe(false);
});

test.each([
  ['without an answer', 0],
  ['with a failure of the engine', 500],
])('before a container is removed whose start ended %s, what may run of it is ended', async (_how, code) => {
  const engine = engineThatRefuses('any words', 'created', { code });
  engine.known(true);
  await engine.start();
  await engine.remove();
  expect(engine.ended).toEqual(['c1 possible']);
  expect(engine.isThere()).toBe(false);
});

test('nothing is looked for in a container that was made here, or that the engine refused to start for its own sake', async () => {
  const fresh = engineThatRefuses('', 'created');
  fresh.known(true);
  await fresh.remove();
  expect(fresh.ended).toEqual([]);
  const refused = engineThatRefuses('exec: "x": executable file not found', 'created', { code: 400 });
  refused.known(true);
  await refused.start();
  await refused.remove();
  expect(refused.ended).toEqual([]);
});

test.each([
  ['created', ['c1 possible']],
  ['exited', ['c1 possible']],
  ['running', []],
])('of one that another process has left as %s, it is looked for', async (status, ended) => {
  const engine = engineThatRefuses('', status);
  await engine.remove();
  expect(engine.ended).toEqual(ended);
  expect(engine.isThere()).toBe(false);
});
