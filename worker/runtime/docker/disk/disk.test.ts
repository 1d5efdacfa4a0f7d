import { expect, it } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { createManualClock } from '../../../../test/kit/manual-clock.ts';
import type { EngineClient } from '../engine-client.ts';
import { createEngineDisk, defaultDiskSettings } from './disk.ts';
import type { FreeSpace } from './engine-space.ts';

const noEngine: EngineClient = {
  kind: async () => 'docker',
  api: async () => 41,
  call: () => Promise.reject(new Error('no calls here')),
  stream: () => Promise.reject(new Error('no streams here')),
};

it('ends work that fills the disk, also when the space could not be asked for once meanwhile', async () => {
  const clock = createManualClock();
  const answers: (FreeSpace | Error)[] = [{ bytes: 5e9, filesPerMille: 900 }, new Error('the engine is busy')];
  const disk = createEngineDisk({
    engine: noEngine,
    dockerHost: 'unix:///none',
    workerId: 'w1',
    settings: defaultDiskSettings,
    clock,
    logger: silentLogger,
    findTools: async () => ({ why: 'there are none' }),
    run: () => Promise.reject(new Error('nothing is run here')),
    prune: async () => {},
    async space() {
      const next = answers.shift() ?? { bytes: 1000, filesPerMille: 900 };
      if (next instanceof Error) throw next;
      return next;
    },
  });
  const signal = AbortSignal.timeout(20_000);
  const work = (limit: AbortSignal) =>
    new Promise<void>((resolve) => limit.addEventListener('abort', () => resolve())).then(() => limit.throwIfAborted());
  const guarded = disk.guarded('The image is not built', signal, work);
  const refused = expect(guarded).rejects.toMatchObject({ problem: { code: 'CONTAINER_ERROR' } });
  for (let second = 0; second < 4; second += 1) await clock.advanceSettled(1000);
  await refused;
});
