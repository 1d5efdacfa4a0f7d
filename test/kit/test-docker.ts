/** What global-setup.ts hands to tests by `inject('docker')`. */

export interface TestDocker {
  /** For DOCKER_HOST. The engine has the images of base-images.ts. */
  readonly host: string;
  /** An address of this machine that containers can reach: servers of tests listen there. */
  readonly hostAddress: string;
  /** For `nsenter --net=`: the network that the engine is on; undefined for an engine that the caller named. */
  readonly namespacePath: string | undefined;
  /** The version of Podman, which is then what answers; undefined for Docker. */
  readonly podman: string | undefined;
  /** For pip's --index-url, with `hostAddress` as a trusted host: it has aiogram 3 in several versions, the real one where pip reaches an index. */
  readonly pipIndexUrl: string;
}

/**
 * One engine for each test file that runs at a time: names of bots, counts of containers and the network's name are an
 * engine's, and files of different slots would meet there.
 */
export interface TestDockers {
  readonly slots: readonly TestDocker[];
}

export interface NoDocker {
  /** One line for people: why there is no engine. */
  readonly skip: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    docker: TestDockers | NoDocker;
  }
}

/**
 * The engine of this file's slot, for the body of a `describe.skipIf('skip' in docker)`. Without an engine vitest still runs that body, to
 * count its tests as skipped: then clients may be made for the address here, and nothing answers at it.
 */
export function usableDocker(docker: TestDockers | NoDocker): TestDocker {
  if ('skip' in docker)
    return {
      host: 'unix:///no/engine.sock',
      hostAddress: '',
      namespacePath: undefined,
      podman: undefined,
      pipIndexUrl: '',
    };
  const slot = Number(process.env['VITEST_POOL_ID']); // from 1 to vitest's maxWorkers
  const mine = docker.slots[slot - 1];
  if (mine === undefined) throw new Error(`no engine for slot ${slot} of ${docker.slots.length}`);
  return mine;
}
