/**
 * The safety check `builder`: proved by a builder made for it, whose store, limits and steps are looked at. What was proved holds for
 * a while; between two proofs the settings cannot change.
 */
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import type { Check } from '#common/checks/check.ts';
import type { Clock } from '#common/clock.ts';
import { orAbort } from '#common/waiting/abort.ts';
import { labelNames } from '../../labels.ts';
import { list, record, text } from '../answers.ts';
import { createBuildReport } from '../build-answer.ts';
import type { BuildEngine } from '../build-engine.ts';
import { removeImage } from '../build-scope.ts';
import { createBuildKitReport } from '../buildkit/build-report.ts';
import type { EngineClient } from '../engine-client.ts';
import type { BuilderLimits } from './builder-container.ts';

export type BuilderCheck = Omit<Check, 'name'>;

export interface BuilderCheckDeps {
  readonly engine: EngineClient;
  readonly clock: Clock;
  /** Undefined when builds are not sure to be separate; words for people say why. */
  readonly separate: ProvableBuilder | undefined;
  readonly why: () => string;
}

/** A builder that can be looked into. */
export interface ProvableBuilder {
  /** As BuildEngines.during, with what the container of the builder says of itself; undefined for an operator's own engine. */
  during<T>(
    userId: string,
    signal: AbortSignal,
    work: (builder: BuildEngine, container: BuilderContainer | undefined) => Promise<T>,
  ): Promise<T>;
  /** Base image of the probe. */
  readonly base: string;
  readonly limits: BuilderLimits;
}

export interface BuilderContainer {
  readonly id: string;
  /** Runs a shell command in it, and returns what it prints. */
  run(command: string, signal: AbortSignal): Promise<string>;
}

/** Whose builder proves that one can be made. No id of a user: those have no dot. */
export const proberId = 'doctor.builder';
const provedForMs = 3_600_000;
const proofMs = 300_000;

const hint = 'Set BUILDER=separate, and see "Builds" in docs/SECURITY.md.';

export function createBuilderCheck(deps: BuilderCheckDeps): (signal: AbortSignal) => Promise<BuilderCheck> {
  const { clock, separate, why } = deps;
  let proved: { readonly check: BuilderCheck; readonly atMs: number } | undefined;
  let proving: Promise<BuilderCheck> | undefined;
  const proveOnce = (builder: ProvableBuilder): Promise<BuilderCheck> => {
    proving ??= prove(deps, builder, AbortSignal.timeout(proofMs))
      .then((check) => {
        if (check.ok) proved = { check, atMs: clock.monotonicMs() };
        return check;
      })
      .finally(() => {
        proving = undefined;
      });
    return proving;
  };
  return async (signal) => {
    if (separate === undefined) return { ok: false, message: why(), hint };
    if (proved !== undefined && clock.monotonicMs() - proved.atMs < provedForMs) return proved.check;
    return orAbort(signal, proveOnce(separate));
  };
}

async function prove(
  { engine }: BuilderCheckDeps,
  builder: ProvableBuilder,
  signal: AbortSignal,
): Promise<BuilderCheck> {
  try {
    return await builder.during(proberId, signal, async (inside, container) => {
      await inside.bringBase(builder.base, () => {}, signal);
      const faults = [
        await foreignImages(engine, inside.client, signal),
        ...(container === undefined ? [] : await limitFaults(engine, container, builder.limits, signal)),
        await stepFault(inside, builder.base, signal),
      ].filter((fault) => fault !== undefined);
      const [fault] = faults;
      if (fault !== undefined) return { ok: false, message: `The separate builder does not hold: ${fault}.`, hint };
      return { ok: true, message: "Images are built apart from bots' and from other users' images, within limits." };
    });
  } catch (error) {
    signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    return { ok: false, message: `A separate builder could not be made: ${why}`, hint };
  }
}

async function foreignImages(
  engine: EngineClient,
  builder: EngineClient,
  signal: AbortSignal,
): Promise<string | undefined> {
  const idsOf = async (
    of: EngineClient,
    query: { readonly all: boolean; readonly filters?: Record<string, string[]> },
  ) =>
    list(await of.call({ method: 'GET', path: '/images/json', query }, signal)).map((image) =>
      text(record(image)['Id']),
    );
  const inBuilder = new Set(await idsOf(builder, { all: true }));
  const ofBots = await idsOf(engine, { all: true, filters: { label: [`${labelNames.marker}=true`] } });
  return ofBots.some((id) => inBuilder.has(id))
    ? "it has images of bots: it is the bots' engine, or shares its store"
    : undefined;
}

async function limitFaults(
  engine: EngineClient,
  container: BuilderContainer,
  limits: BuilderLimits,
  signal: AbortSignal,
): Promise<readonly (string | undefined)[]> {
  const facts = record(await engine.call({ method: 'GET', path: `/containers/${container.id}/json` }, signal));
  const { Memory, PidsLimit, NanoCpus, Privileged } = record(facts['HostConfig']);
  const folder = '/sys/fs/cgroup';
  const memory = await container.run(
    `cat ${folder}/memory/steps/memory.limit_in_bytes 2>/dev/null || cat ${folder}/steps/memory.max`,
    signal,
  );
  const pids = await container.run(
    `cat ${folder}/pids/steps/pids.max 2>/dev/null || cat ${folder}/steps/pids.max`,
    signal,
  );
  const store = await container.run('cat /run/bot-runner/store', signal);
  return [
    Privileged === true ? 'its container is privileged' : undefined,
    Number(Memory) > 0 && Number(NanoCpus) > 0 && Number(PidsLimit) > 0
      ? undefined
      : 'the engine does not limit its memory, CPU or processes',
    Number(memory) <= limits.memoryBytes && Number(pids) > 0 ? undefined : 'its control group does not limit its steps',
    store === 'sized' ? undefined : 'its disk is not limited, since the kernel gave it no loop device (modprobe loop)',
  ];
}

const looks = `if [ -e /run/bot-runner ] || [ -e /run/docker.sock ] || [ -e /var/run/docker.sock ]; then echo PROBE-SOCKET; fi; grep CapBnd /proc/self/status; echo PROBE-DONE`;
const rawSockets = 1n << 13n;

const probeImage = 'bot_runner_probe:latest';

/** What a step of a build finds. */
async function stepFault(
  { client, kind, network }: BuildEngine,
  base: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const tar = pack();
  tar.entry({ name: 'Dockerfile' }, `FROM ${base}\nUSER 0\nRUN ${looks}\n`);
  tar.finalize();
  const upload = Readable.from([await buffer(Readable.from(tar))]);
  const plain = { t: probeImage, networkmode: await network(signal), nocache: true, rm: true, forcerm: true };
  const query = { ...plain, ...(kind === 'buildkit' && { version: '2' }) };
  const lines: string[] = [];
  const report = (kind === 'buildkit' ? createBuildKitReport : createBuildReport)((line) => lines.push(line));
  const answer = await client.stream({ method: 'POST', path: '/build', query, upload }, signal);
  for await (const chunk of answer) report.push(chunk);
  report.end();
  await removeImage(client, probeImage, signal, true);
  // The command itself is printed, too.
  const printed = lines.filter((line) => !line.includes('echo'));
  if (!printed.some((line) => line.includes('PROBE-DONE'))) return 'a step of a build did not run';
  if (printed.some((line) => line.includes('PROBE-SOCKET'))) return 'a step of a build finds the socket of an engine';
  const bounding = /CapBnd:\s*([0-9a-f]+)/.exec(printed.join('\n'))?.[1];
  const mayForge = bounding === undefined || (BigInt(`0x${bounding}`) & rawSockets) !== 0n;
  return mayForge ? 'a step of a build may make raw sockets (CAP_NET_RAW)' : undefined;
}
