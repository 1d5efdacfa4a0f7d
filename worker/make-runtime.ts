/** The runtime that the settings name. */
import { join } from 'node:path';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { WorkerConfig } from './config.ts';
import { defaultArchiveLimits, fetchFile } from './fetch/fetch-archive.ts';
import { systemResolve } from './fetch/fetched.ts';
import type { ContainerRuntime } from './runtime/container-runtime.ts';
import { createDockerRuntime } from './runtime/docker/docker-runtime.ts';
import { parsePlace, placeOfUrl, placesOfRegistry } from './runtime/docker/egress/places.ts';
import type { NamedPlaces } from './runtime/docker/egress/set-rules.ts';
import { createProcessRuntime } from './runtime/process/process-runtime.ts';
import type { StateDir } from './state/state-dir.ts';

/** Servers that the operator has named in settings: those that bots and builds need though they may be private, and ours. */
function namedPlaces(config: WorkerConfig): NamedPlaces {
  const { pipIndexUrl, npmRegistry, httpsProxy, registryMirror, fetchAllow, telegramApiBase, orchestrators } = config;
  const urls = (...texts: readonly (string | undefined)[]) => texts.flatMap((text) => placeOfUrl(text) ?? []);
  return {
    forBots: urls(telegramApiBase),
    forBuilds: [
      ...urls(pipIndexUrl, npmRegistry, httpsProxy?.reveal()),
      ...placesOfRegistry(registryMirror),
      ...fetchAllow.flatMap((text) => parsePlace(text) ?? []),
    ],
    refused: urls(...orchestrators.map(({ url }) => url)),
  };
}

/** What a runtime is made with. */
export interface RuntimeParts {
  readonly config: WorkerConfig;
  readonly state: StateDir;
  readonly clock: Clock;
  readonly logger: Logger;
}

export function createRuntime({ config, state, clock, logger }: RuntimeParts): ContainerRuntime {
  const shared = { workerId: state.workerId, signingKey: state.labelKey, taken: state.taken, clock, logger };
  const buildSettings = {
    pipIndexUrl: config.pipIndexUrl,
    npmRegistry: config.npmRegistry,
    httpsProxy: config.httpsProxy?.reveal(),
    noProxy: config.noProxy,
  };
  const fetching = { dir: join(config.dir, 'fetch'), allow: config.fetchAllow, clock };
  switch (config.runtime) {
    case 'docker':
      return createDockerRuntime({
        ...shared,
        dockerHost: config.dockerHost,
        codeDir: join(config.dir, 'code'),
        sealKey: state.sealKey,
        network: config.dockerNetwork,
        subnets: config.botSubnets,
        egress: config.egress,
        runtimeClass: config.runtimeClass,
        strangers: config.strangers,
        disk: { mode: config.diskMode, imageBytes: config.imageBytes, reserveBytes: config.reserveBytes },
        firewallMark: join(config.dir, 'firewall'),
        places: namedPlaces(config),
        baseImages: { python: config.baseImage, node: config.nodeBaseImage },
        buildSettings,
        builder: {
          // Of strangers' builds the engine of the bots is to do none.
          setting: config.builder ?? (config.strangers ? 'separate' : undefined),
          image: config.builderImage,
          host: config.builderHost,
          limits: {
            memoryBytes: config.builderMemoryBytes,
            cpuMillis: config.builderCpuMillis,
            diskBytes: config.builderDiskBytes,
          },
          lent: config.buildBaseImages,
        },
        registryMirror: config.registryMirror,
        fetchAllow: config.fetchAllow,
        resolve: systemResolve,
        fetchFile: (url, maxBytes, signal) => fetchFile(fetching, url, signal, { ...defaultArchiveLimits, maxBytes }),
        privateImages: state.privateImages,
      });
    case 'process':
      return createProcessRuntime({
        ...shared,
        dir: join(config.dir, 'process'),
        sealKey: state.sealKey,
        buildSettings,
      });
  }
}
