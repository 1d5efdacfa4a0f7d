/** Looks at what this machine has for the demo. Nothing is installed or pulled, and nothing stays on the engine. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { readConfig } from '#common/env-config.ts';
import { workerVariables } from '../../worker/config.ts';
import { buildVariables } from '../../worker/images/build-settings.ts';
import { findEngine, hasImage } from '../platform/engine-probe.ts';
import { type HostAddress, probeFromContainer } from './container-probe.ts';
import type { Found } from './plan.ts';

async function probeImage(dockerHost: string, image: string) {
  const ok = await hasImage(dockerHost, image).catch(() => false);
  return { ok, says: ok ? image : `${image} is not on the engine (docker pull ${image})` };
}

/** The first Python that runs and is new enough for the examples. */
async function probePython(): Promise<string | undefined> {
  for (const name of ['python3', 'python']) {
    try {
      const { stdout } = await promisify(execFile)(
        name,
        ['-c', 'import sys; print("%d.%d" % sys.version_info[:2]) if sys.version_info >= (3, 10) else sys.exit(1)'],
        { timeout: 10_000 },
      );
      return stdout.trim();
    } catch {
      // Absent, too old or broken: the next one may do.
    }
  }
  return undefined;
}

type Says = { readonly ok: boolean; readonly says: string };

interface Way {
  readonly thisMachine: Says;
  readonly packageIndex: Says | undefined;
  readonly address: HostAddress | undefined;
}

/** What a container reaches. An address in TELEGRAM_HOST is taken as it is. */
async function probeWay(
  env: NodeJS.ProcessEnv,
  base: { readonly dockerHost: string; readonly image: string; readonly language: 'python' | 'node' },
  signal: AbortSignal,
): Promise<Way> {
  const named = env['TELEGRAM_HOST'];
  const cure = 'set TELEGRAM_HOST to an address of this machine that they can reach';
  try {
    const { network, pipIndexUrl, httpsProxy, noProxy } = readConfig(settings, env);
    const variables = buildVariables({
      pipIndexUrl,
      npmRegistry: undefined,
      httpsProxy: httpsProxy?.reveal(),
      noProxy,
    });
    const reached = await probeFromContainer({ network, env: variables, ...base }, signal);
    const address = named ? { listen: named, called: named } : reached.address;
    const packageIndex = {
      ok: reached.index,
      says: reached.index ? 'has aiogram' : 'containers do not reach one that has aiogram',
    };
    return {
      thisMachine: address
        ? { ok: true, says: `containers reach it at ${address.called}` }
        : { ok: false, says: `containers do not reach it; ${cure}` },
      packageIndex: base.language === 'python' ? packageIndex : undefined,
      address,
    };
  } catch (error) {
    signal.throwIfAborted();
    const says = error instanceof Error ? error.message : String(error);
    return { thisMachine: { ok: false, says }, packageIndex: undefined, address: undefined };
  }
}

/** Those of the worker's that decide how containers get out. */
const settings = {
  network: workerVariables.dockerNetwork,
  pipIndexUrl: workerVariables.pipIndexUrl,
  httpsProxy: workerVariables.httpsProxy,
  noProxy: workerVariables.noProxy,
};

export interface Probed extends Found {
  /** What the worker is to have as DOCKER_HOST; undefined without an engine. */
  readonly dockerHost: string | undefined;
  /** Where containers reach this machine. */
  readonly address: HostAddress | undefined;
}

export async function probe(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Probed> {
  const engine = env['RUNTIME'] === 'process' ? { ok: false as const, why: 'RUNTIME=process' } : await findEngine(env);
  const dockerHost = engine.ok ? engine.dockerHost : undefined;
  const names = { python: env['BASE_IMAGE'] || 'python:3.11-slim', node: env['NODE_BASE_IMAGE'] || 'node:24-slim' };
  const pythonImage = dockerHost === undefined ? undefined : await probeImage(dockerHost, names.python);
  const nodeImage = dockerHost === undefined || pythonImage?.ok ? undefined : await probeImage(dockerHost, names.node);
  const language = pythonImage?.ok ? 'python' : 'node';
  const way =
    dockerHost !== undefined && (pythonImage?.ok || nodeImage?.ok)
      ? await probeWay(env, { dockerHost, image: names[language], language }, signal)
      : undefined;
  return {
    dockerHost,
    address: way?.address,
    engine: { ok: engine.ok, says: engine.ok ? engine.name : `none: ${engine.why}` },
    pythonImage,
    nodeImage,
    thisMachine: way?.thisMachine,
    packageIndex: way?.packageIndex,
    hostPython: way?.thisMachine.ok ? undefined : await probePython(),
  };
}
