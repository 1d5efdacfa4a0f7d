/** A container engine in memory that a test moves by hand: bots print and die when told to, calls fail when told to. */
import type { Clock } from '#common/clock.ts';
import { botKeyText } from '#common/ids.ts';
import {
  type ContainerFacts,
  type ContainerPlan,
  type ContainerRuntime,
  EngineUnavailableError,
  NameInUseError,
  type OutputLine,
  type RuntimeEvent,
  type RuntimeKind,
} from '../../../worker/runtime/container-runtime.ts';

type Operation = 'info' | 'build' | 'create' | 'start' | 'stop' | 'remove' | 'inspect' | 'list' | 'readOutput';

interface Held {
  facts: ContainerFacts;
  readonly plan: ContainerPlan;
  readonly output: OutputLine[];
  readonly bells: Set<() => void>;
}

/** What a bot does once started. */
export interface Behaviour {
  readonly prints?: readonly string[];
  /** Ends at once with this code; runs on when absent. */
  readonly exits?: number;
}

export interface ScriptedRuntime extends ContainerRuntime {
  /** Everything asked of it that changes something, in order, for example "create bot r1". */
  readonly calls: string[];
  readonly containers: Map<string, Held>;
  readonly images: Set<string>;
  readonly builds: { readonly image: string; readonly sourceTarPath: string }[];
  /** By revision, or for all. */
  behaviour: Behaviour | ((revision: bigint) => Behaviour);
  /** Build output of every build. */
  buildLines: readonly string[];
  /** Builds wait for this. */
  buildGate: Promise<void> | undefined;
  away: boolean;
  /** The next call fails; `after`: it takes effect all the same. */
  failNext(operation: Operation, error: Error, after?: boolean): void;
  print(containerId: string, ...lines: readonly string[]): void;
  die(containerId: string, exitCode: number | undefined, extra?: { oomKilled?: boolean; silently?: boolean }): void;
  /** The only container there is. */
  only(): ContainerFacts;
  /** How often two containers of one bot ran at once. Must stay 0. */
  overlaps(): number;
  endEventStream(): void;
}

export function createScriptedRuntime(clock: Clock, kind: RuntimeKind = 'fake'): ScriptedRuntime {
  const containers = new Map<string, Held>();
  const images = new Set<string>();
  const failures: { operation: Operation; error: Error; after: boolean }[] = [];
  const listeners = new Set<(event: RuntimeEvent) => void>();
  const streams = new Set<() => void>();
  let created = 0;
  let overlapping = 0;

  const enter = async (
    operation: Operation,
    signal: AbortSignal,
    effect: () => void | Promise<void>,
  ): Promise<void> => {
    await Promise.resolve();
    signal.throwIfAborted();
    if (runtime.away) throw new EngineUnavailableError('the engine does not answer');
    const index = failures.findIndex((failure) => failure.operation === operation);
    const [failure] = index >= 0 ? failures.splice(index, 1) : [];
    if (failure && !failure.after) throw failure.error;
    await effect();
    if (failure) throw failure.error;
  };
  const tell = (event: RuntimeEvent) => {
    for (const listener of [...listeners]) listener(event);
  };
  const heldOf = (id: string): Held => {
    const held = containers.get(id);
    if (!held) throw new EngineUnavailableError(`no such container: ${id}`);
    return held;
  };
  const log = (what: string, held: Held) => runtime.calls.push(`${what} ${held.plan.key.botId} r${held.plan.revision}`);

  const runtime: ScriptedRuntime = {
    kind,
    calls: [],
    containers,
    images,
    builds: [],
    behaviour: {},
    buildLines: [],
    buildGate: undefined,
    away: false,
    failNext: (operation, error, after = false) => failures.push({ operation, error, after }),
    print(id, ...lines) {
      const held = heldOf(id);
      for (const text of lines)
        held.output.push({ timeNs: BigInt(clock.wallMs()) * 1_000_000n, stream: 'stdout', text });
      for (const ring of [...held.bells]) ring();
    },
    die(id, exitCode, { oomKilled = false, silently = false } = {}) {
      const held = heldOf(id);
      held.facts = { ...held.facts, status: 'exited', exitCode, oomKilled, finishedAtMs: clock.wallMs() };
      if (!silently) tell({ containerId: id, kind: 'ended' });
    },
    only() {
      const [held, ...others] = containers.values();
      if (!held || others.length > 0) throw new Error(`there are ${containers.size} containers`);
      return held.facts;
    },
    overlaps: () => overlapping,
    endEventStream: () => {
      for (const end of [...streams]) end();
    },

    async info(signal) {
      await enter('info', signal, () => undefined);
      return { version: 'scripted 1', memoryBytes: 8 * 1024 ** 3, cpuMillis: 4000, hostAddress: '127.0.0.1' };
    },
    async buildImage({ key, image, sourceTarPath, onOutput }, signal) {
      await enter('build', signal, async () => {
        runtime.calls.push(`build ${key.botId} ${image.slice(image.lastIndexOf(':') + 1)}`);
        runtime.builds.push({ image, sourceTarPath });
        for (const line of runtime.buildLines) onOutput(line);
        if (runtime.buildGate) await untilAborted(runtime.buildGate, signal);
        images.add(image);
      });
    },
    hasImage: async (image) => images.has(image),
    async removeImages(_key, keep) {
      for (const image of [...images]) if (!keep.includes(image)) images.delete(image);
    },
    async create(plan, signal) {
      const existing = [...containers.values()].find((held) => held.plan.name === plan.name);
      if (existing) throw new NameInUseError(plan.name, existing.facts.id);
      let id = '';
      await enter('create', signal, () => {
        created += 1;
        id = `container-${created}`;
        const { key, name, revision, epoch, image } = plan;
        const times = { startedAtMs: undefined, finishedAtMs: undefined, exitCode: undefined, oomKilled: false };
        const facts: ContainerFacts = { id, name, key, revision, epoch, image, status: 'created', ...times };
        const held: Held = { facts, plan, output: [], bells: new Set() };
        containers.set(id, held);
        log('create', held);
      });
      return id;
    },
    async start(id, signal) {
      const held = heldOf(id);
      if (held.facts.status === 'running') return;
      await enter('start', signal, () => {
        log('start', held);
        const times = { startedAtMs: clock.wallMs(), finishedAtMs: undefined, exitCode: undefined, oomKilled: false };
        held.facts = { ...held.facts, ...times, status: 'running' };
        const text = botKeyText(held.facts.key);
        const running = [...containers.values()].filter(
          ({ facts }) => facts.status === 'running' && botKeyText(facts.key) === text,
        );
        if (running.length > 1) overlapping += 1;
        tell({ containerId: id, kind: 'started' });
        const { behaviour } = runtime;
        const does = typeof behaviour === 'function' ? behaviour(held.facts.revision) : behaviour;
        if (does.prints) runtime.print(id, ...does.prints);
        if (does.exits !== undefined) runtime.die(id, does.exits);
      });
    },
    async stop(id, graceMs, signal) {
      const held = heldOf(id);
      if (held.facts.status !== 'running') return;
      await enter('stop', signal, () => {
        runtime.calls.push(`stop ${held.plan.key.botId} r${held.plan.revision} ${graceMs}`);
        runtime.die(id, 143);
      });
    },
    async remove(id, signal) {
      const held = containers.get(id);
      if (!held) return;
      await enter('remove', signal, () => {
        log('remove', held);
        containers.delete(id);
      });
    },
    async inspect(id, signal) {
      await enter('inspect', signal, () => undefined);
      return containers.get(id)?.facts;
    },
    async list(signal) {
      await enter('list', signal, () => undefined);
      return [...containers.values()].map(({ facts }) => facts);
    },
    async readOutput(id, cursor, maxBytes, signal) {
      await enter('readOutput', signal, () => undefined);
      const { output } = heldOf(id);
      const from = Number(cursor ?? '0');
      const count = Math.max(1, Math.floor(maxBytes / 64));
      const lines = output.slice(from, from + count);
      const end = from + lines.length;
      return { lines, cursor: String(end), gap: false, more: end < output.length };
    },
    async watchOutput(id, ring, signal) {
      const { bells } = heldOf(id);
      bells.add(ring);
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      bells.delete(ring);
    },
    async watchEvents(onEvent, signal) {
      if (runtime.away) throw new EngineUnavailableError('the engine does not answer');
      listeners.add(onEvent);
      await new Promise<void>((resolve) => {
        streams.add(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      listeners.delete(onEvent);
    },
    async shutdown() {
      runtime.calls.push('shutdown');
      if (kind !== 'process') return;
      for (const [id, { facts }] of containers) if (facts.status === 'running') runtime.die(id, 0, { silently: true });
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
