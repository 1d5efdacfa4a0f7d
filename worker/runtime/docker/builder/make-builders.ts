/** The builders of a worker, by its settings. */
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { type BaseImages, type BuildSettings, buildVariables } from '../../../images/build-settings.ts';
import type { PrivateImages } from '../../../state/private-images.ts';
import type { SigningKey } from '../../labels.ts';
import type { Owner } from '../../strays.ts';
import { type BuildEngines, createOwnBuilder } from '../build-engine.ts';
import type { BuildLeftovers } from '../build-leftovers.ts';
import { parseDockerHost } from '../docker-host.ts';
import type { Firewall } from '../egress/firewall.ts';
import { createEngineClient, type EngineClient } from '../engine-client.ts';
import type { BotNetworks } from '../network.ts';
import { type BuilderCheck, createBuilderCheck, type ProvableBuilder } from './builder-check.ts';
import type { BuilderLimits } from './builder-container.ts';
import { createChosenBuilder } from './choose-builder.ts';
import { createHostBuilder } from './host-builder.ts';
import type { LentImages } from './lent-images.ts';
import { createSeparateBuilders, type SeparateBuilders } from './separate-builder.ts';

export interface BuilderOptions {
  /** Undefined: separate where the image of the builder is there already. */
  readonly setting: 'separate' | 'engine' | undefined;
  readonly image: string;
  /** The address of an engine for builds, as DOCKER_HOST. */
  readonly host?: string | undefined;
  readonly limits: BuilderLimits;
  /** Images of the bots' engine that all may build on, beside the base images. */
  readonly lent: readonly string[];
}

/** For tests of everything else. */
export const ownBuilder: BuilderOptions = {
  setting: 'engine',
  image: 'none',
  limits: { memoryBytes: 0, cpuMillis: 0, diskBytes: 0 },
  lent: [],
};

/** What belongs to one engine. */
export interface EngineParts {
  readonly networks: BotNetworks;
  readonly firewall: Firewall;
}

export interface BuilderParts {
  readonly engine: EngineClient;
  /** Makes them for the operator's engine for builds. */
  readonly partsFor: (engine: EngineClient) => EngineParts;
  readonly dockerHost: string;
  readonly networks: BotNetworks;
  readonly firewall: Firewall;
  readonly leftovers: BuildLeftovers;
  readonly owner: Owner;
  readonly workerId: string;
  readonly signingKey: SigningKey;
  readonly baseImages: BaseImages;
  readonly settings: BuildSettings;
  readonly mirror: string | undefined;
  readonly privateImages: PrivateImages;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Builders extends BuildEngines {
  readonly separate: SeparateBuilders;
  /** The safety check `builder`. */
  readonly check: (signal: AbortSignal) => Promise<BuilderCheck>;
}

export function createBuilders(options: BuilderOptions, parts: BuilderParts): Builders {
  const { engine, dockerHost, baseImages, settings, clock, logger } = parts;
  const { setting, image, limits, lent } = options;
  const address = parseDockerHost(dockerHost);
  if (address === undefined) throw new Error('the engine has been connected to by its address');
  const { HTTPS_PROXY: url, NO_PROXY: except } = buildVariables(settings);
  const shared = {
    ...parts,
    lent: { bases: Object.values(baseImages), named: lent, isEverybodys: setting === undefined },
  };
  const proxy = url === undefined ? undefined : { url, except };
  const separate = createSeparateBuilders({ ...shared, address, image, limits, proxy });
  const host = options.host === undefined ? undefined : hostBuilder(shared, options.host);
  const own = createOwnBuilder(parts);
  const chosen = createChosenBuilder({ engine, setting, image, own, separate, host, clock, logger });
  const probed = { base: baseImages.python, limits };
  const provable =
    setting === 'engine'
      ? undefined
      : host === undefined
        ? setting && { ...probed, during: separate.during }
        : { ...probed, during: ofHost(host) };
  const why = () =>
    setting === undefined && chosen.kind() === 'separate'
      ? "Images are built apart from bots' and from other users' images, but only as long as the engine has the image of the builder: BUILDER is not set."
      : 'Images are built by the engine that runs the bots, and can see the images of all of them.';
  return { separate, during: chosen.during, check: createBuilderCheck({ engine, clock, separate: provable, why }) };
}

/** Into an operator's own engine nobody looks but by what it builds. */
const ofHost =
  (host: BuildEngines): ProvableBuilder['during'] =>
  (userId, signal, work) =>
    host.during(userId, signal, (builder) => work(builder, undefined));

function hostBuilder(shared: BuilderParts & { readonly lent: LentImages }, address: string): BuildEngines {
  const builder = createEngineClient(address);
  return createHostBuilder({ ...shared, ...shared.partsFor(builder), builder });
}
