import { expect, it } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { createRecordingLogger } from '../../../test/kit/recording-logger.ts';
import { isTransient } from '../../failures/transient.ts';
import type { ToolsRun } from './disk/run-tools.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal } from './engine-errors.ts';
import { createLostRuns, type LostRunsDeps, readEnds } from './lost-runs.ts';

const signal = AbortSignal.timeout(20_000);
const tools = { image: 'tools', shell: 'sh', env: [], missing: [] };

function lostRunsWith(run: (run: ToolsRun) => Promise<string>, more: Partial<LostRunsDeps> = {}, kind = 'docker') {
  const runs: (readonly string[])[] = [];
  const engine = { kind: async () => kind } as Pick<EngineClient, 'kind'>;
  const lost = createLostRuns({
    // Nothing else of it is used here.
    engine: engine as EngineClient,
    findTools: async () => tools,
    logger: silentLogger,
    async run(_tools, asked) {
      runs.push(asked.args);
      return { code: 0, output: await run(asked), file: undefined };
    },
    ...more,
  });
  return { lost, runs };
}

it('those who ask while one looks are looked for together by the next', async () => {
  const first = Promise.withResolvers<string>();
  const { lost, runs } = lostRunsWith(({ args }) => (args.includes('a') ? first.promise : Promise.resolve('')));
  const a = lost.end('a', false, signal);
  await expect.poll(() => runs.length).toBe(1);
  const others = [lost.end('b', false, signal), lost.end('c', true, signal)];
  first.resolve('ended a\n');
  await Promise.all([a, ...others]);
  expect(runs).toEqual([['a'], ['b', 'c']]);
});

it('a failure is told to those who wait, and the next tries again', async () => {
  let fails = true;
  const { lost, runs } = lostRunsWith(async () => {
    if (fails) throw new Error('the engine is away');
    return '';
  });
  await expect(lost.end('a', false, signal)).rejects.toThrow('the engine is away');
  fails = false;
  await lost.end('a', false, signal);
  expect(runs).toHaveLength(2);
});

it.each<readonly [string, Partial<LostRunsDeps>, string]>([
  ['there are no tools', { findTools: async () => ({ why: 'the worker has no grep' }) }, 'the worker has no grep'],
  [
    'the engine refuses',
    { run: () => Promise.reject(new EngineRefusal(400, 'no PID namespace of the host here')) },
    'no PID namespace of the host here',
  ],
  ['its container fails', { run: async () => ({ code: 137, output: '', file: undefined }) }, 'ended with 137'],
])(
  'where %s, a run that is certain is a problem with a cure, and a possible one a line in the log',
  async (_why, more, words) => {
    const { logger, fields } = createRecordingLogger();
    const { lost } = lostRunsWith(async () => '', { ...more, logger });
    await lost.end('a', false, signal);
    await lost.end('a', false, signal);
    expect(fields).toEqual([{ container: 'a', reason: expect.stringContaining(words) }]);
    const error = await lost.end('a', true, signal).catch((caught: unknown) => caught);
    expect(isTransient(error)).toBe(true);
    expect(error).toMatchObject({ problem: { code: 'CONTAINER_ERROR', hint: expect.stringContaining(words) } });
  },
);

it('what does not end is a problem for its own container alone', async () => {
  const { lost } = lostRunsWith(async () => 'ended a\nended b\nleft b\n');
  const [a, b] = await Promise.allSettled([lost.end('a', false, signal), lost.end('b', false, signal)]);
  expect(a.status).toBe('fulfilled');
  expect(b).toMatchObject({ reason: { problem: { code: 'CONTAINER_ERROR' } } });
});

it('with Podman nothing is looked for', async () => {
  const { lost, runs } = lostRunsWith(async () => '', {}, 'podman');
  await lost.end('a', true, signal);
  expect(runs).toEqual([]);
});

it('what the script prints is read by its words', () => {
  const { ended, left } = readEnds('ended a\r\nended a\nleft b\nsh: 1: cannot open /proc/1/comm\n');
  expect([[...ended], [...left]]).toEqual([['a'], ['b']]);
});
