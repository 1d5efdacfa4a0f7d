/** What global-setup.ts hands to tests by `inject('docker')`. */

export interface TestDocker {
  /** For DOCKER_HOST. The engine has the images of base-images.ts. */
  readonly host: string;
  /** An address of this machine that containers can reach: servers of tests listen there. */
  readonly hostAddress: string;
  /** For pip's --index-url, with `hostAddress` as a trusted host: it has aiogram 2.25.1, 3.0.0 and 3.4.1. */
  readonly pipIndexUrl: string;
}

export interface NoDocker {
  /** One line for people: why there is no engine. */
  readonly skip: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    docker: TestDocker | NoDocker;
  }
}

/**
 * The engine for the body of a `describe.skipIf('skip' in docker)`. Without an engine vitest still runs that body, to
 * count its tests as skipped: then the addresses are empty, and nothing may use them before a test runs.
 */
export function usableDocker(docker: TestDocker | NoDocker): TestDocker {
  return 'skip' in docker ? { host: '', hostAddress: '', pipIndexUrl: '' } : docker;
}
