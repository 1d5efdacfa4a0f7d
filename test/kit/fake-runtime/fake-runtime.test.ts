import { describe, expect, test } from 'vitest';
import { containerName } from '#common/ids.ts';
import { Secret } from '#common/secret.ts';
import { EngineUnavailableError } from '../../../worker/runtime/container-runtime.ts';
import { createManualClock } from '../manual-clock.ts';
import { FakeEngine } from './fake-engine.ts';
import { createFakeRuntime } from './fake-runtime.ts';

const key = { userId: 'dev', botId: 'echo' };
const plan = {
  key,
  workerId: 'w1',
  revision: 1n,
  epoch: 1n,
  name: containerName(key),
  image: 'bot_image_x:g1',
  run: { kind: 'simple', language: 'python', entrypoint: 'bot.py' },
  env: new Secret({}),
  memoryBytes: 1e8,
  cpuMillis: 500,
} as const;
const soon = () => AbortSignal.timeout(5000);

function setUp() {
  const clock = createManualClock();
  const engine = new FakeEngine({ clock });
  engine.images.set(plan.image, { key, workerId: 'w1' });
  const signingKey = new Secret<Uint8Array>(new Uint8Array(32));
  return { clock, runtime: createFakeRuntime({ engine, workerId: 'w1', signingKey, clock }) };
}

describe('the fake runtime', () => {
  test('fails a call before or after it took effect, once', async () => {
    const { runtime } = setUp();
    runtime.failNext('create', new EngineUnavailableError('gone'));
    await expect(runtime.create(plan, soon())).rejects.toThrow('gone');
    expect(await runtime.list(soon())).toEqual([]);
    runtime.failNext('create', new EngineUnavailableError('late'), 'after');
    await expect(runtime.create(plan, soon())).rejects.toThrow('late');
    expect(await runtime.list(soon())).toMatchObject([{ name: plan.name, status: 'created' }]);
    expect(runtime.calls).toEqual(['create', 'list', 'create', 'list']);
  });

  test('delays a call by the clock', async () => {
    const { clock, runtime } = setUp();
    runtime.delay('hasImage', 3000);
    let answer: boolean | undefined;
    void runtime.hasImage(plan.image, soon()).then((value) => {
      answer = value;
    });
    await clock.advanceSettled(2999);
    expect(answer).toBeUndefined();
    await clock.advanceSettled(1);
    expect(answer).toBe(true);
  });

  test('lets a bot end, print and lose output as scripted, and reports it', async () => {
    const { runtime } = setUp();
    const seen: string[] = [];
    const watching = runtime.watchEvents(({ kind }) => seen.push(kind), soon());
    const id = await runtime.create(plan, soon());
    await runtime.start(id, soon());
    for (const text of ['a', 'b', 'c']) runtime.print(id, text);
    const first = await runtime.readOutput(id, undefined, 1, soon());
    runtime.dropOutput(id, 2);
    const next = await runtime.readOutput(id, first.cursor, 1000, soon());
    expect([first.lines.map(({ text }) => text), next.lines.map(({ text }) => text), next.gap]).toEqual([
      ['a'],
      ['c'],
      true,
    ]);
    runtime.exit(id, 137, { oomKilled: true });
    expect(await runtime.inspect(id, soon())).toMatchObject({ status: 'exited', exitCode: 137, oomKilled: true });
    runtime.breakEvents();
    await watching;
    expect(seen).toEqual(['started', 'oom', 'ended']);
  });

  test('ends a bot without a program of its own by SIGTERM', async () => {
    const { runtime } = setUp();
    const id = await runtime.create(plan, soon());
    await runtime.start(id, soon());
    await runtime.stop(id, 10_000, soon());
    expect(await runtime.inspect(id, soon())).toMatchObject({ exitCode: 143 });
  });
});
