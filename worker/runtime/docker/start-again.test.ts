/** A start that a killed engine left half done: what its runtime already has makes the next one fail, until that is gone. */
import { expect, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { containerName } from '#common/ids.ts';
import { silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import { openFirewall } from '../../../test/kit/open-firewall.ts';
import { plainIsolation } from '../../../test/kit/plain-isolation.ts';
import { wideDisk } from '../../../test/kit/wide-disk.ts';
import { isTransient } from '../../failures/transient.ts';
import { signedLabels } from '../labels.ts';
import { noneTaken } from '../strays.ts';
import { createCodeStore } from './code-store.ts';
import { startContainer } from './containers.ts';
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

/** An engine that has one container, and refuses to start it with these words. */
function engineThatRefuses(words: string, status: string, code = 500) {
  let isThere = true;
  const engine: EngineClient = {
    kind: async () => 'docker',
    api: async () => 41,
    async call({ method, path }) {
      if (!isThere) throw new EngineRefusal(404, 'no such container');
      if (method === 'DELETE') {
        isThere = false;
        return null;
      }
      if (path.endsWith('/start')) throw new EngineRefusal(code, words);
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
  };
  const deps = { engine, networks, firewall: openFirewall(), owner, clock: systemClock, logger: silentLogger, ...seen };
  const start = () => startContainer(deps, 'c1', AbortSignal.timeout(5_000)).catch((error: unknown) => error);
  return { start, isThere: () => isThere };
}

const halfStarted = 'task 88aa698bc9e5a90752e33e3812935420052a4f6ffc41ac238363372f9c35297c: already exists: unknown';

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
  const engine = engineThatRefuses(words, 'created', code);
  const error = await engine.start();
  expect(error).toMatchObject({ problem: { code: 'CONTAINER_ERROR' } });
  expect(isTransient(error)).toBe(false);
  expect(engine.isThere()).toBe(true);
});
