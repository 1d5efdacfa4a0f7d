/** Whatever happens in whatever order, a bot ends as it should be. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { EngineUnavailableError } from '../../worker/runtime/container-runtime.ts';
import { createRegistryForTests } from './kit/registry-for-tests.ts';

describe('whatever happens in whatever order', () => {
  type Happening =
    | { readonly run: number }
    | { readonly lose: 'create' | 'start' | 'stop' | 'remove' | 'inspect' | 'list' }
    | { readonly pass: number }
    | 'stop'
    | 'die'
    | 'restart'
    | 'vanish'
    | 'away'
    | 'back';
  const happening: fc.Arbitrary<Happening> = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 4000 }).map((pass) => ({ pass })) },
    { weight: 2, arbitrary: fc.nat(2).map((run) => ({ run })) },
    fc
      .constantFrom<'create' | 'start' | 'stop' | 'remove' | 'inspect' | 'list'>(
        'create',
        'start',
        'stop',
        'remove',
        'inspect',
        'list',
      )
      .map((lose) => ({ lose })),
    fc.constantFrom<Happening>('stop', 'die', 'restart', 'vanish', 'away', 'back'),
  );

  it('the bot ends as it should be, with one container at most', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 25 }), fc.boolean(), async (happenings, atLast) => {
        const world = await createRegistryForTests();
        try {
          let generation = 0;
          const run = (revision: number) => {
            generation += 1;
            world.run(revision, { generation: BigInt(generation) });
          };
          for (const next of happenings) {
            const [first] = world.runtime.containers.values();
            if (next === 'stop') {
              generation += 1;
              world.stop(generation);
            } else if (next === 'die') {
              if (first?.status === 'running') world.runtime.exit(first.id, 1);
            } else if (next === 'restart') await world.restart();
            else if (next === 'vanish') world.runtime.containers.clear();
            else if (next === 'away' || next === 'back') world.runtime.away = next === 'away';
            else if ('pass' in next) await world.pass(next.pass);
            else if ('lose' in next) {
              world.runtime.failNext(
                next.lose,
                new EngineUnavailableError('lost'),
                generation % 2 === 0 ? 'after' : 'before',
              );
            } else run(next.run + 1);
            expect(world.runtime.containers.size).toBeLessThanOrEqual(1);
          }
          world.runtime.away = false;
          await world.restart();
          if (atLast) run(9);
          else world.stop(generation + 1);
          // As the watch over the engine does: a list that is lost is asked for again.
          await world.until('the containers are listed', () =>
            world.registry.resync().then(
              () => true,
              () => false,
            ),
          );
          await world.until(atLast ? 'it runs' : 'it is stopped', () => {
            const [first] = world.runtime.containers.values();
            return atLast ? first?.plan.revision === 9n && first.status === 'running' : !first;
          });
          const wanted = atLast ? BotState.RUNNING : BotState.STOPPED;
          await world.until('and says so', () => world.registry.snapshot()[0]?.state === wanted);
          expect(world.runtime.overlaps()).toBe(0);
        } finally {
          await world.close();
        }
      }),
      { numRuns: 30 },
    );
  });
});
