import { expect, it } from 'vitest';
import { silentLogger } from '#common/log.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal } from './engine-errors.ts';
import { createBotNetwork } from './network.ts';

const engineSaying = (answer: () => unknown): EngineClient => ({
  kind: async () => 'docker',
  api: async () => 41,
  call: async () => answer(),
  stream: () => Promise.reject(new Error('no streams here')),
});

it('a name that two networks have is reported as that, with the cure', async () => {
  const engine = engineSaying(() => {
    // As Docker 20.10 says it.
    throw new EngineRefusal(400, 'network bots is ambiguous (2 matches found on name)');
  });
  const ensuring = createBotNetwork(engine, 'bots', silentLogger).ensure(AbortSignal.timeout(5000));
  await expect(ensuring).rejects.toMatchObject({
    problem: {
      code: 'CONTAINER_ERROR',
      message: 'The engine has more than one network named bots, so bots can use neither.',
      hint: expect.stringContaining('docker network rm ID'),
    },
  });
});

it('another refusal stays what it is', async () => {
  const refusal = new EngineRefusal(400, 'something else');
  const engine = engineSaying(() => {
    throw refusal;
  });
  await expect(createBotNetwork(engine, 'bots', silentLogger).ensure(AbortSignal.timeout(5000))).rejects.toBe(refusal);
});
