/**
 * How this worker's engine keeps bots in: what it says of itself, seen from a container, and what follows for each bot that is made.
 *
 * 1. A runtime that the settings name and the engine does not have is never replaced by another: starts are refused.
 * 2. Where root in a container would be root of the host's kernel, no stranger's program is root.
 * 3. What was proved is proved again when the engine was away, and every ten minutes.
 */
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { ProblemError, problem } from '#common/problem.ts';
import type { SafetyCheck } from '../../safety.ts';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal } from '../engine-errors.ts';
import { adviceOf } from './advice.ts';
import type { Confinement } from './confinement.ts';
import { type EngineFacts, factsText, isSandbox, readEngineFacts } from './engine-facts.ts';
import { judgeSeen } from './judge-seen.ts';
import { firstImage, probeIsolation, type Seen } from './probe.ts';

export interface Isolation {
  /** GET /info was answered. Returns what people read behind the version of the engine. */
  sawInfo(info: unknown): string;
  engineAway(): void;
  /** What containers are to be made with, whether the engine can or not. */
  confinement(signal: AbortSignal): Promise<Confinement>;
  /** CONTAINER_ERROR when the engine does not have the runtime that the settings name. */
  assertPossible(signal: AbortSignal): Promise<void>;
  /** An image of the operator's with the usual programs; undefined when the engine has none. */
  ownImage(signal: AbortSignal): Promise<string | undefined>;
  check(signal: AbortSignal): Promise<SafetyCheck>;
}

export interface IsolationOptions {
  readonly engine: EngineClient;
  readonly workerId: string;
  readonly runtimeClass: string | undefined;
  /** People whom the operator does not know may start bots. */
  readonly strangers: boolean;
  /** Images of the operator's, with a shell. */
  readonly images: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

type Proof = { readonly seen: Seen | undefined } | { readonly refused: string };

const provedForMs = 600_000;
const securityPage = 'See "How the engine keeps bots in" in docs/SECURITY.md.';

export function createIsolation(options: IsolationOptions): Isolation {
  const { engine, workerId, runtimeClass, strangers, images, clock, logger } = options;
  let facts: EngineFacts | undefined;
  let proof: { readonly atMs: number; readonly result: Proof } | undefined;
  let absences = 0;
  let said = '';

  const say = (text: string) => {
    if (text === said) return;
    said = text;
    if (text !== '') logger.warn({}, text);
  };
  const factsNow = async (signal: AbortSignal): Promise<EngineFacts> => {
    facts ??= readEngineFacts(await engine.call({ method: 'GET', path: '/info' }, signal));
    return facts;
  };
  const proofNow = async (signal: AbortSignal): Promise<Proof> => {
    if (proof !== undefined && clock.monotonicMs() - proof.atMs < provedForMs) return proof.result;
    const absencesBefore = absences;
    const atMs = clock.monotonicMs();
    const result = await probeIsolation({ engine, workerId, images, runtimeClass }, signal).then(
      (seen): Proof => ({ seen }),
      (error: unknown): Proof => {
        if (!(error instanceof EngineRefusal)) throw error;
        return { refused: oneLine(error.text) };
      },
    );
    // One that could not be tried is tried again.
    if (absences === absencesBefore && 'seen' in result && result.seen !== undefined) proof = { atMs, result };
    return result;
  };

  return {
    sawInfo(info) {
      facts = readEngineFacts(info);
      say(warningOf(facts, runtimeClass));
      return factsText(facts, runtimeClass);
    },
    engineAway() {
      facts = undefined;
      proof = undefined;
      absences += 1;
    },
    async confinement(signal) {
      const isShared = isSandbox(runtimeClass) ? false : (await factsNow(signal)).userNamespace === undefined;
      return { runtimeClass, noRoot: strangers && isShared };
    },
    async assertPossible(signal) {
      if (runtimeClass === undefined) return;
      const now = await factsNow(signal);
      if (!now.runtimes.includes(runtimeClass)) throw noRuntime(runtimeClass, now);
    },
    ownImage: (signal) => firstImage(engine, images, signal),
    async check(signal) {
      const now = await factsNow(signal);
      const wrong = wrongFacts(now, runtimeClass);
      if (wrong !== undefined) return { name: 'isolation', ok: false, ...wrong };
      const result = await proofNow(signal);
      if ('refused' in result) {
        const message = `A container to prove the isolation of bots with was refused by the engine: ${result.refused}.`;
        return { name: 'isolation', ok: false, message, hint: securityPage };
      }
      if (result.seen === undefined) {
        return {
          name: 'isolation',
          ok: false,
          message: `The isolation of bots cannot be proved: the engine has none of ${images.join(', ')} to try with.`,
          hint: `Run docker pull ${images[0] ?? 'python:3.11-slim'} on the worker's engine.`,
        };
      }
      const unproved = judgeSeen(result.seen, now, runtimeClass);
      if (unproved !== undefined) return { name: 'isolation', ok: false, message: unproved, hint: securityPage };
      const hint = adviceOf(now, result.seen, runtimeClass);
      const message = provedText(now, runtimeClass, strangers);
      return { name: 'isolation', ok: true, message, ...(hint !== '' && { hint }) };
    },
  };
}

const oneLine = (text: string): string => text.trim().split('\n')[0]?.slice(0, 200) ?? '';

/** What the operator should know without asking. */
function warningOf(facts: EngineFacts, runtimeClass: string | undefined): string {
  if (runtimeClass !== undefined && !facts.runtimes.includes(runtimeClass)) {
    return `${missingRuntime(runtimeClass, facts)} No bot is started until it has.`;
  }
  const [first] = facts.missingLimits;
  if (first === undefined) return '';
  return facts.userNamespace === 'rootless'
    ? `limits of bots do not hold: a rootless engine can only set them on a host with cgroup version 2 (not set: ${facts.missingLimits.join(', ')})`
    : `limits of bots do not hold: the engine cannot set those of ${facts.missingLimits.join(', ')}`;
}

const missingRuntime = (runtimeClass: string, { runtimes }: EngineFacts): string =>
  `RUNTIME_CLASS=${runtimeClass}, but the engine has no runtime of that name${runtimes.length === 0 ? '' : ` (it has ${runtimes.join(', ')})`}.`;

const runtimeHint =
  'The operator has to add it to "runtimes" in the daemon.json of the engine, or unset RUNTIME_CLASS.';

const noRuntime = (runtimeClass: string, facts: EngineFacts): ProblemError =>
  new ProblemError(problem('CONTAINER_ERROR', missingRuntime(runtimeClass, facts), { hint: runtimeHint }));

/** By the engine's own word. */
function wrongFacts(
  facts: EngineFacts,
  runtimeClass: string | undefined,
): Pick<SafetyCheck, 'message' | 'hint'> | undefined {
  if (runtimeClass !== undefined && !facts.runtimes.includes(runtimeClass)) {
    return { message: missingRuntime(runtimeClass, facts), hint: runtimeHint };
  }
  if (facts.missingLimits.length > 0) {
    const what = facts.missingLimits.join(', ');
    return facts.userNamespace === 'rootless' && facts.cgroupVersion === '1'
      ? {
          message: `The engine is rootless on cgroup version 1, where limits do not hold: ${what}.`,
          hint: 'Boot the host with systemd.unified_cgroup_hierarchy=1, or use an engine that runs as root.',
        }
      : {
          message: `The engine cannot limit ${what}.`,
          hint: 'docker info names what the host lacks under WARNING: usually cgroup_enable=memory on the command line of the kernel.',
        };
  }
  if (!facts.seccomp && !isSandbox(runtimeClass)) {
    return {
      message: 'The engine does not filter the system calls of bots: it has no seccomp profile.',
      hint: 'Remove "seccomp-profile": "unconfined" from its daemon.json, or use a kernel with seccomp.',
    };
  }
  return undefined;
}

function provedText(facts: EngineFacts, runtimeClass: string | undefined, strangers: boolean): string {
  const root =
    facts.userNamespace !== undefined
      ? `root in a bot is nobody on the host (${facts.userNamespace === 'userns' ? 'user namespaces' : 'a rootless engine'})`
      : isSandbox(runtimeClass)
        ? `bots have a kernel of their own (${runtimeClass})`
        : strangers
          ? 'no bot is root'
          : 'bots share the kernel of the host, root in an image included';
  const apart = facts.confinedBy === undefined ? '' : `, ${facts.confinedBy}`;
  return `Limits of memory, CPU and processes hold, system calls are filtered${apart}, and ${root}.`;
}
