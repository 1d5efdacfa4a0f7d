/** The fake runtime, with what tests of bots want beside it: a record of what was done, an engine that goes away. */
import type { Clock } from '#common/clock.ts';
import { botKeyText } from '#common/ids.ts';
import { Secret } from '#common/secret.ts';
import {
  type ContainerPlan,
  type ContainerStatus,
  EngineUnavailableError,
  type RuntimeKind,
} from '../../../worker/runtime/container-runtime.ts';
import type { SourceTar } from '../../../worker/state/source-tar.ts';
import { type FakeContainer, FakeEngine } from '../../kit/fake-runtime/fake-engine.ts';
import { createFakeRuntime, type FakeRuntime } from '../../kit/fake-runtime/fake-runtime.ts';

/** What a bot does once started; it runs on unless it exits. */
export interface Behaviour {
  readonly prints?: readonly string[];
  readonly exits?: number;
}

export interface ScriptedRuntime extends FakeRuntime {
  /** What took effect, in order, for example "create echo r1". */
  readonly done: string[];
  readonly containers: Map<string, FakeContainer>;
  /** Names of images. */
  images(): readonly string[];
  readonly builds: { readonly image: string; readonly sourceTar: SourceTar }[];
  behaviour: Behaviour;
  /** What every build prints. */
  buildLines: readonly string[];
  /** Builds wait for this. */
  buildGate: Promise<void> | undefined;
  /** What is said of every container that is created. */
  createLines: readonly string[];
  /** The engine does not answer. */
  away: boolean;
  /** The only container there is. */
  only(): { readonly id: string; readonly name: string; readonly revision: bigint; readonly status: ContainerStatus };
  /** How often two containers of one bot ran at once. Must stay 0. */
  overlaps(): number;
}

export const testWorkerId = 'w1';

export function createScriptedRuntime(clock: Clock, kind: RuntimeKind): ScriptedRuntime {
  let overlapping = 0;
  const engine = new FakeEngine({
    clock,
    program(bot) {
      for (const line of runtime.behaviour.prints ?? []) bot.print(line);
      if (runtime.behaviour.exits !== undefined) bot.exit(runtime.behaviour.exits);
    },
    async builder({ key, image, sourceTar, onOutput }, signal) {
      runtime.done.push(`build ${key.botId} ${image.slice(image.lastIndexOf(':') + 1)}`);
      runtime.builds.push({ image, sourceTar });
      for (const line of runtime.buildLines) onOutput(line);
      if (runtime.buildGate) await untilAborted(runtime.buildGate, signal);
    },
  });
  const fake = createFakeRuntime({
    engine,
    workerId: testWorkerId,
    signingKey: new Secret(new Uint8Array(32).fill(3)),
    clock,
  });
  const nameOf = ({ key, revision }: ContainerPlan) => `${key.botId} r${revision}`;
  engine.onEvent(({ kind: what }, container) => {
    if (what !== 'started') return;
    const key = botKeyText(container.plan.key);
    const running = [...engine.containers.values()].filter(
      ({ status, plan }) => status === 'running' && botKeyText(plan.key) === key,
    );
    if (running.length > 1) overlapping += 1;
    runtime.done.push(`start ${nameOf(container.plan)}`);
  });
  const reach = () => {
    if (runtime.away) throw new EngineUnavailableError('the engine does not answer');
  };
  /** Notes what a call did, also when its answer is lost. */
  const noting = async <T>(what: string, holds: () => boolean, work: () => Promise<T>): Promise<T> => {
    reach();
    const before = holds();
    try {
      return await work();
    } finally {
      if (!before && holds()) runtime.done.push(what);
    }
  };

  const runtime: ScriptedRuntime = {
    ...fake,
    kind,
    done: [],
    containers: engine.containers,
    images: () => [...engine.images.keys()],
    builds: [],
    behaviour: {},
    buildLines: [],
    createLines: [],
    buildGate: undefined,
    away: false,
    only() {
      const [container, ...others] = engine.containers.values();
      if (!container || others.length > 0) throw new Error(`there are ${engine.containers.size} containers`);
      const { id, name, status, plan } = container;
      return { id, name, status, revision: plan.revision };
    },
    overlaps: () => overlapping,
    async info(signal) {
      reach();
      return fake.info(signal);
    },
    async list(signal) {
      reach();
      return fake.list(signal);
    },
    async inspect(id, signal) {
      reach();
      return fake.inspect(id, signal);
    },
    async readOutput(id, cursor, maxBytes, signal) {
      reach();
      return fake.readOutput(id, cursor, maxBytes, signal);
    },
    async watchEvents(onEvent, signal) {
      reach();
      return fake.watchEvents(onEvent, signal);
    },
    async buildImage(build, signal) {
      reach();
      return fake.buildImage(build, signal);
    },
    async create(plan, signal, say = () => {}) {
      for (const line of runtime.createLines) say(line);
      let id = '';
      await noting(
        `create ${nameOf(plan)}`,
        () => engine.byName(plan.name) !== undefined,
        async () => {
          id = await fake.create(plan, signal);
        },
      );
      return id;
    },
    async start(id, signal) {
      reach();
      await fake.start(id, signal);
    },
    async stop(id, graceMs, signal) {
      const container = engine.containers.get(id);
      const what = container ? `stop ${nameOf(container.plan)} ${graceMs}` : 'stop nothing';
      return noting(
        what,
        () => container?.status !== 'running',
        () => fake.stop(id, graceMs, signal),
      );
    },
    async remove(id, signal) {
      const container = engine.containers.get(id);
      await noting(
        `remove ${container ? nameOf(container.plan) : 'nothing'}`,
        () => !engine.containers.has(id),
        () => fake.remove(id, signal),
      );
    },
    async shutdown(graceMs) {
      await fake.shutdown(graceMs);
      // As the process runtime does: its bots end with it, and this one cleanly.
      if (kind === 'process') for (const container of engine.containers.values()) engine.exit(container, 0);
    },
  };
  return runtime;
}

function untilAborted(gate: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  return Promise.race([gate, aborted]);
}
