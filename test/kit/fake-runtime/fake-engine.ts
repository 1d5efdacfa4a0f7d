/**
 * The engine behind the fake runtime: images and containers in memory. Several runtimes can share one, as workers share a
 * host, and a runtime made later finds what an earlier one left. What a bot does is a function; without one it runs until
 * it gets SIGTERM.
 */
import { type Clock, sleep } from '#common/clock.ts';
import { type BotKey, botKeyText } from '#common/ids.ts';
import {
  type ContainerPlan,
  type ContainerStatus,
  type CustomBuild,
  dataDirVariable,
  type ImagePull,
  type OutputLine,
  type OutputStream,
  type RuntimeEvent,
  type SimpleBuild,
} from '../../../worker/runtime/container-runtime.ts';
import type { ContainerLabels } from '../../../worker/runtime/labels.ts';
import { createLineSplitter } from '../../../worker/runtime/output-lines.ts';

/** A running bot, in the hands of its program. */
export interface FakeBot {
  readonly id: string;
  readonly name: string;
  /** Empty for a bot that runs what its image says. */
  readonly entrypoint: string;
  readonly env: Readonly<Record<string, string>>;
  /** Names of the files in its data folder. */
  readonly data: Set<string>;
  print(line: string, stream?: OutputStream): void;
  exit(code: number): void;
  /** What its stop signal does. Default: exit(143). */
  onTerminate(handler: (signal: string) => void): void;
  /** Uses CPU time, without taking any. */
  useCpu(ms: number): void;
  /** Aborted when the bot has ended, however. */
  readonly ended: AbortSignal;
}

export interface FakeEngineOptions {
  readonly clock: Clock;
  /** What a bot does when it is started. */
  readonly program?: (bot: FakeBot) => void;
  /** What a build does; throws to fail. Default: prints one line. */
  readonly builder?: (build: SimpleBuild, signal: AbortSignal) => Promise<void>;
  /** What a build with a Dockerfile does; throws to fail. Default: prints one line. */
  readonly customBuilder?: (build: CustomBuild, signal: AbortSignal) => Promise<void>;
  /** What a registry answers: the digest ("sha256:...") of the image; throws to fail. Default: one made of the reference. */
  readonly registry?: (pull: ImagePull, signal: AbortSignal) => Promise<string>;
  /** Lines kept for each container; older ones are lost, as by rotation. Default 10000. */
  readonly linesMax?: number;
}

export interface FakeContainer {
  readonly id: string;
  readonly name: string;
  readonly labels: ContainerLabels;
  readonly plan: ContainerPlan;
  status: ContainerStatus;
  startedAtMs: number | undefined;
  finishedAtMs: number | undefined;
  exitCode: number | undefined;
  oomKilled: boolean;
  /** CPU time it has used since its start. */
  cpuMs: number;
  lines: OutputLine[];
  /** How many lines were dropped before the first one kept. */
  dropped: number;
  terminate: (signal: string) => void;
  ended: AbortController;
}

export interface FakeImage {
  readonly key: BotKey;
  readonly workerId: string;
}

export class FakeEngine {
  readonly containers = new Map<string, FakeContainer>();
  readonly images = new Map<string, FakeImage>();
  /** Images that were pulled: pinned name by reference. */
  readonly pulled = new Map<string, string>();
  /** The files that bots have kept, by botKeyText. */
  readonly volumes = new Map<string, Set<string>>();
  readonly options: FakeEngineOptions;
  readonly #listeners = new Set<(event: RuntimeEvent, container: FakeContainer) => void>();
  readonly #outputListeners = new Set<(id: string) => void>();
  readonly #cpuListeners = new Set<(container: FakeContainer) => void>();
  #count = 0;

  constructor(options: FakeEngineOptions) {
    this.options = options;
  }

  byName(name: string): FakeContainer | undefined {
    return [...this.containers.values()].find((container) => container.name === name);
  }

  /** Adds a container as it is, checked by nobody: as another program on the host would. */
  add(name: string, labels: ContainerLabels, plan: ContainerPlan): FakeContainer {
    this.#count += 1;
    const container: FakeContainer = {
      id: this.#count.toString(16).padStart(64, '0'),
      name,
      labels,
      plan,
      status: 'created',
      startedAtMs: undefined,
      finishedAtMs: undefined,
      exitCode: undefined,
      oomKilled: false,
      cpuMs: 0,
      lines: [],
      dropped: 0,
      terminate: () => {},
      ended: new AbortController(),
    };
    this.containers.set(container.id, container);
    this.dataOf(plan.key);
    return container;
  }

  dataOf(key: BotKey): Set<string> {
    const name = botKeyText(key);
    const files = this.volumes.get(name) ?? new Set<string>();
    this.volumes.set(name, files);
    return files;
  }

  start(container: FakeContainer): void {
    if (container.status === 'running') return;
    const ended = new AbortController();
    container.status = 'running';
    container.startedAtMs = this.options.clock.wallMs();
    container.finishedAtMs = undefined;
    container.exitCode = undefined;
    container.oomKilled = false;
    container.cpuMs = 0;
    container.ended = ended;
    container.terminate = () => this.exit(container, 143);
    this.#emit({ containerId: container.id, kind: 'started' }, container);
    this.options.program?.({
      id: container.id,
      name: container.name,
      entrypoint: container.plan.run.kind === 'simple' ? container.plan.run.entrypoint : '',
      env: { ...container.plan.env.reveal(), [dataDirVariable]: '/data' },
      data: this.dataOf(container.plan.key),
      print: (line, stream) => this.print(container, line, stream),
      exit: (code) => {
        if (!ended.signal.aborted) this.exit(container, code);
      },
      onTerminate: (handler) => {
        container.terminate = handler;
      },
      useCpu: (ms) => this.useCpu(container, ms),
      ended: ended.signal,
    });
  }

  exit(container: FakeContainer, code: number, oomKilled = false): void {
    if (container.status !== 'running') return;
    container.status = 'exited';
    container.finishedAtMs = this.options.clock.wallMs();
    container.exitCode = code;
    container.oomKilled = oomKilled;
    container.ended.abort();
    if (oomKilled) this.#emit({ containerId: container.id, kind: 'oom' }, container);
    this.#emit({ containerId: container.id, kind: 'ended' }, container);
  }

  /** Its stop signal, and SIGKILL after the grace. */
  async stop(container: FakeContainer, graceMs: number, signal: AbortSignal): Promise<void> {
    if (container.status !== 'running') return;
    const { ended } = container;
    if (graceMs > 0) {
      container.terminate(container.plan.stopSignal ?? 'SIGTERM');
      const grace = AbortSignal.any([signal, ended.signal]);
      // Rejects when the bot has ended, which is the better of the two ways.
      await sleep(this.options.clock, graceMs, grace).catch(() => {});
      if (!ended.signal.aborted) signal.throwIfAborted();
    }
    // Another run may have begun meanwhile; this stop was not meant for it.
    if (container.ended === ended) this.exit(container, 137);
  }

  /** Cuts the text into lines as real runtimes do; a line end at its end is not a line of its own. */
  print(container: FakeContainer, text: string, stream: OutputStream = 'stdout'): void {
    const timeNs = BigInt(Math.round(this.options.clock.wallMs() * 1e6));
    const splitter = createLineSplitter((line, around) =>
      container.lines.push({ timeNs, stream, text: line, ...(around && { around }) }),
    );
    splitter.push(Buffer.from(text.endsWith('\n') ? text : `${text}\n`));
    this.drop(container, container.lines.length - (this.options.linesMax ?? 10_000));
    for (const listener of [...this.#outputListeners]) listener(container.id);
  }

  /** Loses the oldest lines. */
  drop(container: FakeContainer, count: number): void {
    container.dropped += container.lines.splice(0, Math.max(0, count)).length;
  }

  /** The returned function ends it. */
  onEvent(listener: (event: RuntimeEvent, container: FakeContainer) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The returned function ends it. */
  onOutput(listener: (id: string) => void): () => void {
    this.#outputListeners.add(listener);
    return () => this.#outputListeners.delete(listener);
  }

  useCpu(container: FakeContainer, ms: number): void {
    container.cpuMs += ms;
    for (const listener of [...this.#cpuListeners]) listener(container);
  }

  /** The returned function ends it. */
  onCpu(listener: (container: FakeContainer) => void): () => void {
    this.#cpuListeners.add(listener);
    return () => this.#cpuListeners.delete(listener);
  }

  #emit(event: RuntimeEvent, container: FakeContainer): void {
    for (const listener of [...this.#listeners]) listener(event, container);
  }
}
