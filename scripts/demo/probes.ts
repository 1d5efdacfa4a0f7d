/** Looks what this machine has for the demo. Nothing is changed, installed or pulled. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type EngineAddress, engineAddress, hasImage, probeEngine } from '../platform/engine-probe.ts';
import type { Found } from './plan.ts';

const indexTimeoutMs = 5_000;
const defaultIndex = 'https://pypi.org/simple/';

async function probeImage(address: EngineAddress, image: string) {
  const ok = await hasImage(address, image).catch(() => false);
  return { ok, says: ok ? image : `${image} is not on the engine (docker pull ${image})` };
}

async function probeIndex(env: NodeJS.ProcessEnv): Promise<{ ok: boolean; says: string }> {
  const index = env['PIP_INDEX_URL'] || defaultIndex;
  const url = `${index.replace(/\/$/, '')}/aiogram/`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(indexTimeoutMs) });
    await response.body?.cancel();
    return { ok: response.ok, says: response.ok ? 'has aiogram' : `answers ${response.status} for aiogram` };
  } catch {
    return { ok: false, says: 'cannot be reached' };
  }
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

export async function probe(env: NodeJS.ProcessEnv): Promise<Found & { readonly address: EngineAddress | undefined }> {
  const forced = env['RUNTIME'] === 'process';
  const address = forced ? undefined : engineAddress(env);
  const engine = forced ? { ok: false as const, why: 'RUNTIME=process' } : await probeEngine(address);
  const usable = engine.ok && address !== undefined;
  const pythonImage = usable ? await probeImage(address, env['BASE_IMAGE'] || 'python:3.11-slim') : undefined;
  const nodeImage =
    usable && !pythonImage?.ok ? await probeImage(address, env['NODE_BASE_IMAGE'] || 'node:24-slim') : undefined;
  return {
    address,
    engine: { ok: engine.ok, says: engine.ok ? `Docker ${engine.version}` : `none: ${engine.why}` },
    pythonImage,
    nodeImage,
    packageIndex: pythonImage?.ok ? await probeIndex(env) : undefined,
    hostPython: usable && (pythonImage?.ok || nodeImage?.ok) ? undefined : await probePython(),
  };
}
