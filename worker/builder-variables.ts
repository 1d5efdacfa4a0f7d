/** The settings of what builds images, from environment variables. */
import { BadValue, byteSize, custom } from '#common/env-config.ts';
import { dockerHostRule, parseDockerHost } from './runtime/docker/docker-host.ts';

/** Where images are built. Undefined: separately where the image of the builder is there already. */
export type BuilderWord = 'separate' | 'engine' | undefined;

const defaultImage = 'docker:28.5.2-dind';

function parseBuilder(value: string | undefined): BuilderWord {
  if (value !== undefined && value !== 'separate' && value !== 'engine') {
    throw new BadValue('must be separate or engine');
  }
  return value;
}

function parseHost(value: string | undefined): string | undefined {
  if (value !== undefined && parseDockerHost(value) === undefined) throw new BadValue(dockerHostRule);
  return value;
}

/** An image reference, as lenient as for base images: the engine says the rest. */
export function parseImage(value: string | undefined, fallback: string): string {
  const image = value ?? fallback;
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._/:@-]{0,255}$/.test(image)) throw new BadValue('is not an image reference');
  return image;
}

const parseImages = (value: string | undefined): readonly string[] =>
  (value ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => parseImage(part, part));

function parseCores(value: string | undefined): number {
  const cores = /^\d{1,4}(\.\d{1,3})?$/.test(value ?? '2') ? Number(value ?? '2') : Number.NaN;
  if (!(cores >= 0.1 && cores <= 1000)) throw new BadValue('must be a number of cores, for example 2');
  return Math.round(cores * 1000);
}

export const builderVariables = {
  builder: custom(
    {
      name: 'BUILDER',
      doc: "Where images are built: separate, in a builder of each user's own, which sees no bot and no other user's image; engine, by the engine that runs the bots.",
      shownDefault:
        'separate with STRANGERS=1, where BUILDER_HOST is set, or where the engine has BUILDER_IMAGE already; else engine',
    },
    parseBuilder,
  ),
  builderImage: custom(
    {
      name: 'BUILDER_IMAGE',
      doc: 'Image of the separate builder: a Docker engine with a shell, such as docker:VERSION-dind. Pulled when needed with BUILDER=separate.',
      shownDefault: defaultImage,
    },
    (value) => parseImage(value, defaultImage),
  ),
  builderHost: custom(
    {
      name: 'BUILDER_HOST',
      doc: 'Address of an engine that the operator runs for builds and nothing else, in place of builders that the worker makes: as DOCKER_HOST.',
      shownDefault: 'none',
    },
    parseHost,
  ),
  builderMemoryBytes: byteSize(
    {
      name: 'BUILDER_MEMORY_LIMIT',
      doc: "Memory of all steps of a user's builds together: a number with k, m or g. The builder's engine has 512m beside it.",
      min: '128m',
      max: '1024g',
    },
    '2g',
  ),
  builderCpuMillis: custom(
    { name: 'BUILDER_CPU_LIMIT', doc: 'CPU of a separate builder, in cores.', shownDefault: '2' },
    parseCores,
  ),
  builderDiskBytes: byteSize(
    {
      name: 'BUILDER_DISK_LIMIT',
      doc: "Disk of a user's separate builder, images, layers and cache together: a number with k, m or g. It is used as it fills.",
      min: '1g',
      max: '1024g',
    },
    '20g',
  ),
  buildBaseImages: custom(
    {
      name: 'BUILD_BASE_IMAGES',
      doc: "Images of the bots' engine that Dockerfiles may build on with BUILDER=separate, beside BASE_IMAGE and NODE_BASE_IMAGE, separated by commas. All others come from their registries.",
      shownDefault: 'none',
    },
    parseImages,
  ),
};
