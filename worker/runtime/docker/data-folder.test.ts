import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import type { ContainerPlan } from '../container-runtime.ts';
import { record } from './answers.ts';
import { prepareDataFolder } from './data-folder.ts';
import { createDataOwners } from './data-owners.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal } from './engine-errors.ts';

const plan: ContainerPlan = {
  key: { userId: 'dev', botId: 'bot' },
  workerId: 'w',
  revision: 1n,
  epoch: 1n,
  name: 'bot',
  image: 'image',
  run: { kind: 'image' },
  env: new Secret({}),
  memoryBytes: 1,
  cpuMillis: 1,
};

it('looks at /data again whenever somebody may have had a hand in it', async () => {
  let looks = 0;
  const engine: EngineClient = {
    kind: async () => 'docker',
    api: async () => 41,
    call: () => Promise.reject(new Error('no calls here')),
    async stream() {
      looks += 1;
      throw new EngineRefusal(404, 'no such path');
    },
  };
  const owners = createDataOwners(engine, systemClock);
  const run = { kind: 'simple', language: 'python', entrypoint: 'bot.py' } as const;
  const looksFor = async (user: string, isAsLeft: boolean, choice: Partial<ContainerPlan> = { run }) => {
    looks = 0;
    const prepared = { id: 'c', user, plan: { ...plan, ...choice }, isAsLeft };
    await prepareDataFolder({ engine, logger: silentLogger, owners }, prepared, AbortSignal.timeout(5000));
    return looks;
  };
  expect(await looksFor('10001:10001', true)).toBe(1);
  expect(await looksFor('10001:10001', true)).toBe(0);
  // After a stop an operator may have put a backup there.
  expect(await looksFor('10001:10001', false)).toBe(1);
  expect(await looksFor('1000', true)).toBe(1);
  expect(await looksFor('10001:10001', true)).toBe(1);
  // Root looks at nothing, and may give it to anyone.
  expect(await looksFor('', true)).toBe(0);
  expect(await looksFor('10001:10001', true)).toBe(1);
  // The engine gives an empty folder to whom the image says, and only those of simple mode say the right thing.
  expect(await looksFor('10001:10001', true, { run: { kind: 'image' } })).toBe(1);
});

it('runs the helper once with Podman, which does not report owners, and again whenever root owns the folder', async () => {
  let uname = '';
  const helpers: unknown[] = [];
  const engine: EngineClient = {
    kind: async () => 'podman',
    api: async () => 41,
    async call({ path, body }) {
      if (path === '/containers/create') helpers.push(record(body)['Cmd']);
      return { Id: 'helper', StatusCode: 0 };
    },
    async stream() {
      const tar = pack();
      // Always the user of the container.
      tar.entry({ name: '/', type: 'directory', uid: 10001, gid: 10001, uname });
      tar.finalize();
      return Readable.from(tar);
    },
  };
  const owners = createDataOwners(engine, systemClock);
  const prepare = async () => {
    helpers.length = 0;
    const made = { id: 'c', user: '10001:10001', plan, isAsLeft: false };
    await prepareDataFolder({ engine, logger: silentLogger, owners }, made, AbortSignal.timeout(5000));
    return helpers;
  };
  const chown = [['-hR', '10001:10001', '/data']];
  expect(await prepare()).toEqual(chown);
  expect(await prepare()).toEqual([]);
  uname = 'root';
  expect(await prepare()).toEqual(chown);
});
