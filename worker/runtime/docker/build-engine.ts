/**
 * The seam to whatever builds: the engine that runs the bots, or a builder with an image store of its own. The code of builds
 * above it talks to `client` for all that a build makes, and to the bots' engine for nothing but the finished image.
 */
import type { BuildLeftovers } from './build-leftovers.ts';
import type { Firewall } from './egress/firewall.ts';
import type { EngineClient } from './engine-client.ts';
import type { BotNetworks } from './network.ts';

/** Which of its two builders an engine uses. */
export type BuilderKind = 'classic' | 'buildkit';

export interface BuildEngine {
  readonly kind: BuilderKind;
  /** The engine that builds: base images, layers, steps and the cache are its own. */
  readonly client: EngineClient;
  /** Whether builds may take layers from the cache. */
  readonly keepsLayers: boolean;
  /** Of this engine. */
  readonly leftovers: BuildLeftovers;
  /** The network for the steps of the user's builds, as the engine takes it in `networkmode`. Call it before the build. */
  network(signal: AbortSignal): Promise<string>;
  /**
   * Makes an image available that the bots' engine has and may lend, and a base image of the operator's in any case. IMAGE_NOT_FOUND,
   * IMAGE_PULL_FAILED, REGISTRY_AUTH_FAILED when that cannot be had. Others are no failure: the build looks for them itself.
   */
  bringBase(image: string, onOutput: (line: string) => void, signal: AbortSignal): Promise<void>;
  /** Puts the finished image on the bots' engine, under its name. */
  deliver(image: string, signal: AbortSignal): Promise<void>;
}

export interface BuildEngines {
  /** Runs work with the engine that builds for that user, which stays until the work is done. */
  during<T>(userId: string, signal: AbortSignal, work: (builder: BuildEngine) => Promise<T>): Promise<T>;
}

export interface OwnBuilderDeps {
  readonly engine: EngineClient;
  readonly networks: BotNetworks;
  readonly firewall: Firewall;
  readonly leftovers: BuildLeftovers;
}

/** The engine of the bots builds them, too. */
export function createOwnBuilder({ engine, networks, firewall, leftovers }: OwnBuilderDeps): BuildEngines {
  return {
    during: (userId, _signal, work) =>
      networks.during(userId, 'builds', () =>
        work({
          kind: 'classic',
          client: engine,
          keepsLayers: true,
          leftovers,
          async network(signal) {
            await firewall.ready(signal);
            return networks.ensure(userId, 'builds', signal);
          },
          bringBase: async () => {},
          deliver: async () => {},
        }),
      ),
  };
}
