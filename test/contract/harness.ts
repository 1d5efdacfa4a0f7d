/** What the contract suite needs of an implementation, and small helpers around the calls. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { type BotKey, containerName, imageName } from '#common/ids.ts';
import type { Language } from '#common/language.ts';
import { Secret } from '#common/secret.ts';
import type {
  ContainerFacts,
  ContainerPlan,
  ContainerRuntime,
  OutputLine,
} from '../../worker/runtime/container-runtime.ts';
import type { ContainerLabels } from '../../worker/runtime/labels.ts';
import { plainTar } from '../../worker/state/source-tar.ts';
import { eventually } from '../kit/eventually.ts';
import type { Step } from './steps.ts';

export interface RuntimeChoice {
  readonly workerId: string;
  /** Default: the harness' own key. */
  readonly signingKey?: Secret<Uint8Array>;
}

export interface Harness {
  /** The language of the suite's bots here. */
  readonly language: Language;
  /** Whether it has images other than those of simple mode. */
  readonly hasImages: boolean;
  /** A runtime on the one engine of this harness; several may be made, also of one worker id, as after a restart. */
  runtime(choice: RuntimeChoice): ContainerRuntime;
  /** Whether a version with the same packages is made without a build. */
  readonly reusesPackages: boolean;
  /** The step of the times that lines of output have, ms; 0 when there is none. */
  readonly outputTimeStepMs: number;
  /** Why an aborted build does not end soon here; undefined where it does. */
  readonly abortedBuildsRunOn?: string | undefined;
  /** A requirement that no index has. */
  readonly absentRequirement: string;
  /** A requirement whose installation does not end. */
  readonly endlessRequirement: string;
  /** Whether a build has reached the point where it blocks. */
  endlessReached(): boolean;
  /** Makes a container with exactly these labels, running, past the runtime. Returns its id. */
  forge(name: string, labels: ContainerLabels, image: string): Promise<string>;
  /** Whether that forged container is there and runs. */
  forgedRuns(id: string): Promise<boolean>;
  /** All that exists for the bots of the suite: images, containers, folders; in any stable form. */
  traces(): Promise<readonly string[]>;
  /** Everything that can be read of containers and images without being root on the machine or holding the key. */
  readable(): Promise<string>;
  /** Ends and removes everything. */
  close(): Promise<void>;
}

export const second = 1000;
/** A bound for calls of the suite: far more than any of them takes. */
export const patience = (): AbortSignal => AbortSignal.timeout(60 * second);

export const entrypointOf = (language: Language): string => (language === 'python' ? 'steps.py' : 'steps.mjs');

/** Writes a tar of the files given and of the suite's bot. The returned function removes it. */
export async function sourceTar(
  language: Language,
  files: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<{ path: string; remove: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'contract-'));
  const entrypoint = entrypointOf(language);
  const tar = pack();
  tar.entry({ name: entrypoint }, await readFile(new URL(`bots/${entrypoint}`, import.meta.url), 'utf8'));
  for (const [name, content] of Object.entries(files)) tar.entry({ name }, Buffer.from(content));
  tar.finalize();
  const path = join(dir, 'source.tar');
  await writeFile(path, await buffer(tar));
  return { path, remove: () => rm(dir, { recursive: true }) };
}

export interface BuildChoice {
  readonly key: BotKey;
  readonly workerId: string;
  readonly revision?: bigint;
  readonly requirements?: readonly string[];
  readonly requirementFiles?: readonly string[];
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly onOutput?: (line: string) => void;
  readonly signal?: AbortSignal;
  /** By reuseImage alone; an Error when that says it needs a build. */
  readonly reuse?: boolean;
}

/** Builds the suite's bot for a key; returns the image. */
export async function buildBot(runtime: ContainerRuntime, language: Language, choice: BuildChoice): Promise<string> {
  const {
    key,
    workerId,
    revision = 1n,
    requirements = [],
    requirementFiles = [],
    files = {},
    onOutput = () => {},
    signal = patience(),
    reuse = false,
  } = choice;
  const image = imageName(key, revision);
  const tar = await sourceTar(language, files);
  try {
    const common = { key, workerId, image, language, onOutput };
    const build = { ...common, requirements, requirementFiles, sourceTar: plainTar(tar.path) };
    if (!reuse) await runtime.buildImage(build, signal);
    else if (!(await runtime.reuseImage(build, signal))) throw new Error('needs a build');
  } finally {
    await tar.remove();
  }
  return image;
}

export interface PlanChoice {
  readonly key: BotKey;
  readonly workerId: string;
  readonly language: Language;
  readonly steps?: readonly Step[];
  readonly env?: Readonly<Record<string, string>>;
  readonly revision?: bigint;
  readonly memoryBytes?: number;
  readonly stopSignal?: string;
}

export function botPlan(choice: PlanChoice): ContainerPlan {
  const { key, workerId, language, steps = [], env = {}, revision = 1n, memoryBytes = 256 * 1024 * 1024 } = choice;
  const { stopSignal } = choice;
  return {
    key,
    workerId,
    revision,
    epoch: 3n,
    name: containerName(key),
    image: imageName(key, revision),
    run: { kind: 'simple', language, entrypoint: entrypointOf(language) },
    env: new Secret({ ...env, STEPS: JSON.stringify(steps) }),
    memoryBytes,
    cpuMillis: 1000,
    ...(stopSignal === undefined ? {} : { stopSignal }),
  };
}

/** Waits until the container has ended. */
export async function untilExited(runtime: ContainerRuntime, id: string): Promise<ContainerFacts> {
  const facts = await eventually(
    'the container has ended',
    () => runtime.inspect(id, patience()),
    (seen) => seen?.status === 'exited',
    { timeoutMs: 30 * second },
  );
  if (!facts) throw new Error('the container is gone');
  return facts;
}

/** Reads on from a cursor until nothing more is there at once. */
export async function readAll(
  runtime: ContainerRuntime,
  id: string,
  cursor?: string,
  maxBytes = 1_000_000,
): Promise<{ lines: readonly OutputLine[]; cursor: string; gaps: number }> {
  const lines: OutputLine[] = [];
  let gaps = 0;
  for (;;) {
    const batch = await runtime.readOutput(id, cursor, maxBytes, patience());
    lines.push(...batch.lines);
    if (batch.gap) gaps += 1;
    if (!batch.more) return { lines, cursor: batch.cursor, gaps };
    cursor = batch.cursor;
  }
}

export const textsOf = (lines: readonly OutputLine[]): string[] => lines.map((line) => line.text);

/** Waits until the container has printed a line. */
export async function untilPrinted(runtime: ContainerRuntime, id: string, text: string | RegExp): Promise<void> {
  await eventually(
    `the container has printed ${text}`,
    async () => textsOf((await readAll(runtime, id)).lines),
    (texts) => texts.some((printed) => (typeof text === 'string' ? printed === text : text.test(printed))),
    { timeoutMs: 90 * second, everyMs: 50 },
  );
}
