/** Which Docker engine tests may use: one that the caller names, else a private one where that is possible, else none. */
import { accessSync, constants } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { delimiter, join } from 'node:path';
import type { PackageTree } from './debian-packages.ts';
import { callEngine } from './engine-api.ts';
import { defaultCacheDir, startPrivateEngine } from './private-engine.ts';
import { startPrivatePodman } from './private-podman.ts';

export interface TestEngine {
  /** For DOCKER_HOST. */
  readonly dockerHost: string;
  /** An address of this machine that containers can reach. */
  readonly hostAddress: string;
  /** For `nsenter --net=`: the network that the engine is on; undefined for an engine that is not private. */
  readonly namespacePath: string | undefined;
  /** Files to make base images of; undefined for an engine that is not private. */
  readonly packages: PackageTree | undefined;
  stop(): Promise<void>;
}

export interface NoEngine {
  /** One line for people: why there is none. */
  readonly skip: string;
}

/** Programs of a Debian machine that a private engine is brought up with. */
const programs = ['apt-get', 'dpkg-deb', 'flock', 'unshare', 'nsenter', 'ip', 'umount', 'ldd'];

/** Finds an engine. Never throws for a machine without one: the reason is then in `skip`. */
export async function findEngine(env: NodeJS.ProcessEnv = process.env): Promise<TestEngine | NoEngine> {
  if (env['BOTRUNNER_TEST_NO_DOCKER'] === '1') return { skip: 'BOTRUNNER_TEST_NO_DOCKER=1 is set' };
  const named = env['BOTRUNNER_TEST_DOCKER_HOST'];
  if (named) return namedEngine(named);
  const obstacle = obstacleToPrivateEngine(env);
  if (obstacle) return { skip: obstacle };
  try {
    const suite = env['BOTRUNNER_TEST_ENGINE_SUITE'] || undefined;
    if (env['BOTRUNNER_TEST_ENGINE'] === 'podman') return await startPrivatePodman(defaultCacheDir, suite);
    return await startPrivateEngine({ suite, userNamespaces: env['BOTRUNNER_TEST_ENGINE_USERNS'] === '1' });
  } catch (error) {
    return { skip: `a private Docker engine did not start: ${oneLine(error)}` };
  }
}

function obstacleToPrivateEngine(env: NodeJS.ProcessEnv): string | undefined {
  if (process.platform !== 'linux') return `a private Docker engine needs Linux, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'a private Docker engine needs root; or name one in BOTRUNNER_TEST_DOCKER_HOST';
  const missing = programs.filter((name) => !isProgram(name, env['PATH'] ?? ''));
  if (missing.length > 0) return `a private Docker engine needs a Debian machine; not here: ${missing.join(', ')}`;
  return undefined;
}

function isProgram(name: string, path: string): boolean {
  return path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false; // not in this folder
    }
  });
}

/** An engine of the caller's: used, never changed beyond what tests make on it, never stopped. */
async function namedEngine(dockerHost: string): Promise<TestEngine | NoEngine> {
  const name = `the engine of BOTRUNNER_TEST_DOCKER_HOST=${dockerHost}`;
  try {
    const gateway = /"Gateway":"([\d.]+)"/.exec((await callEngine(dockerHost, '/networks/bridge')).text)?.[1];
    const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    if (!gateway || !own.some(({ address }) => address === gateway)) {
      return { skip: `${name} has no bridge on this machine (gateway ${gateway ?? 'unknown'})` };
    }
    return { dockerHost, hostAddress: gateway, namespacePath: undefined, packages: undefined, stop: async () => {} };
  } catch (error) {
    return { skip: `${name} does not answer: ${oneLine(error)}` };
  }
}

const oneLine = (error: unknown) => String(error instanceof Error ? error.message : error).replace(/\s*\n\s*/g, ' | ');
