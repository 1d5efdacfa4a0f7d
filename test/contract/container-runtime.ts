/**
 * The contract of ContainerRuntime as tests. Every implementation runs all of them; the numbers are those of the prose in
 * worker/runtime/container-runtime.ts.
 */
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import type { BotKey } from '#common/ids.ts';
import type { ContainerRuntime } from '../../worker/runtime/container-runtime.ts';
import { describeBuilds } from './builds.ts';
import { describeEvents, describeFailures } from './failures.ts';
import { botPlan, buildBot, type Harness, type PlanChoice, patience, second } from './harness.ts';
import { describeImages } from './images.ts';
import { describeOutput } from './output.ts';
import { describeNames, describeOwnership } from './ownership.ts';
import { describeStates } from './states.ts';

/** What a group of tests of the suite works with. */
export interface SuiteContext {
  readonly harness: Harness;
  readonly runtime: ContainerRuntime;
  readonly workerId: string;
  /** An image with the suite's bot in it. */
  readonly image: string;
  readonly imageKey: BotKey;
  /** A key that no other test has. */
  newKey(): BotKey;
  /** Creates and starts a bot of the suite; it is removed after the test. Returns its id. */
  run(choice?: Partial<PlanChoice>): Promise<string>;
}

const userId = 'contract';

/** Declares the whole suite for one implementation. */
export function describeContainerRuntime(title: string, createHarness: () => Promise<Harness>): void {
  describe(title, { timeout: 120 * second }, () => {
    let harness: Harness;
    let runtime: ContainerRuntime;
    let image: string;
    let count = 0;
    const workerId = 'worker-1';
    const imageKey = { userId, botId: 'image' };

    beforeAll(async () => {
      harness = await createHarness();
      runtime = harness.runtime({ workerId });
      image = await buildBot(runtime, harness.language, { key: imageKey, workerId });
    }, 120 * second);
    afterEach(async () => {
      for (const { id } of await runtime.list(patience())) await runtime.remove(id, patience());
    });
    afterAll(() => harness?.close());

    const context: SuiteContext = {
      get harness() {
        return harness;
      },
      get runtime() {
        return runtime;
      },
      get image() {
        return image;
      },
      workerId,
      imageKey,
      newKey() {
        count += 1;
        return { userId, botId: `bot-${count}` };
      },
      async run(choice = {}) {
        const key = choice.key ?? this.newKey();
        const plan = { ...botPlan({ workerId, language: harness.language, ...choice, key }), image };
        const id = await runtime.create(plan, patience());
        await runtime.start(id, patience());
        return id;
      },
    };

    describeNames(context);
    describeStates(context);
    describeOwnership(context);
    describeFailures(context);
    describeEvents(context);
    describeBuilds(context);
    describeImages(context);
    describeOutput(context);
  });
}
