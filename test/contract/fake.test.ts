import { sleep, systemClock } from '#common/clock.ts';
import { ProblemError, problem } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import { FakeEngine } from '../kit/fake-runtime/fake-engine.ts';
import { createFakeRuntime } from '../kit/fake-runtime/fake-runtime.ts';
import { describeContainerRuntime } from './container-runtime.ts';
import { botPlan, type Harness } from './harness.ts';
import { runSteps } from './steps.ts';

async function createFakeHarness(): Promise<Harness> {
  const ownKey = new Secret(new Uint8Array(32).fill(1));
  let reached = false;
  const engine = new FakeEngine({
    clock: systemClock,
    linesMax: 50_000,
    program: runSteps,
    async builder({ requirements, onOutput }, signal) {
      for (const requirement of requirements) {
        onOutput(`needs ${requirement}`);
        if (requirement === 'endless') {
          reached = true;
          await sleep(systemClock, 60_000, signal);
        }
        const details = { output_tail: `no package ${requirement}` };
        throw new ProblemError(problem('BUILD_FAILED', 'There is no such package.', { details }));
      }
      onOutput('built');
    },
  });
  return {
    language: 'node',
    hasImages: true,
    reusesPackages: false,
    outputTimeStepMs: 0,
    absentRequirement: 'absent',
    endlessRequirement: 'endless',
    endlessReached: () => reached,
    runtime: ({ workerId, signingKey = ownKey }) =>
      createFakeRuntime({ engine, workerId, signingKey, clock: systemClock }),
    async forge(name, labels, image) {
      const plan = botPlan({ key: { userId: 'x', botId: 'x' }, workerId: 'x', language: 'node' });
      const container = engine.add(name, labels, { ...plan, image });
      engine.start(container);
      return container.id;
    },
    forgedRuns: async (id) => engine.containers.get(id)?.status === 'running',
    traces: async () => [...engine.images.keys(), ...engine.containers.keys()],
    readable: async () =>
      JSON.stringify([...engine.containers.values()].map(({ id, name, labels }) => ({ id, name, labels }))),
    close: async () => {},
  };
}

describeContainerRuntime('the fake runtime', createFakeHarness);
