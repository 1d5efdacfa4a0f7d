/**
 * An engine that the operator runs for builds and nothing else (BUILDER_HOST). All users build in it, so nothing of a build stays
 * there: neither its image nor its layers, and no build takes a layer from its cache.
 */

import type { Owner } from '../../strays.ts';
import type { BuildEngines } from '../build-engine.ts';
import { createBuildLeftovers } from '../build-leftovers.ts';
import type { Firewall } from '../egress/firewall.ts';
import type { EngineClient } from '../engine-client.ts';
import type { BotNetworks } from '../network.ts';
import { deliverImage } from './deliver-image.ts';
import { type LendDeps, lendImage } from './lent-images.ts';

export interface HostBuilderDeps extends LendDeps {
  /** The operator's engine for builds. */
  readonly builder: EngineClient;
  /** Of that engine, both. */
  readonly networks: BotNetworks;
  readonly firewall: Firewall;
  readonly owner: Owner;
}

export function createHostBuilder(deps: HostBuilderDeps): BuildEngines {
  const { engine, builder, networks, firewall, owner, logger } = deps;
  const leftovers = createBuildLeftovers(builder, owner, logger);
  return {
    during: (userId, _signal, work) =>
      networks.during(userId, 'builds', () =>
        work({
          kind: 'classic',
          client: builder,
          leftovers,
          keepsLayers: false,
          async network(signal) {
            await firewall.ready(signal);
            return networks.ensure(userId, 'builds', signal);
          },
          bringBase: (image, onOutput, signal) => lendImage(deps, builder, image, onOutput, signal),
          deliver: (image, signal) => deliverImage({ from: builder, to: engine }, image, signal),
        }),
      ),
  };
}
