/** A start as a task for a REST worker: the spec with the files themselves, in the words of the original system. */
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { JsonObject } from '#common/json.ts';
import { defaultTarLimits, readContextTar } from '#common/safe-tar.ts';
import type { Credentials, CustomSource, ImageSource, SimpleSource } from '#gen/botrunner/v1/bot_pb.js';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { artifactChunks, type StoredSources } from '../../requests/artifact-chunks.ts';

/** Text files of an artifact by name; a file that is not UTF-8 becomes base64 under `binary_files`. */
async function filesOf(sources: StoredSources, sha256: string): Promise<JsonObject> {
  const files: Record<string, string> = Object.create(null);
  const binary: Record<string, string> = Object.create(null);
  const source = Readable.from(artifactChunks(sources, sha256), { objectMode: false });
  for await (const entry of readContextTar(source, defaultTarLimits, () => {})) {
    if (entry.kind !== 'file') continue;
    const bytes = await buffer(entry.content);
    const text = bytes.toString('utf8');
    if (Buffer.from(text).equals(bytes)) files[entry.name] = text;
    else binary[entry.name] = bytes.toString('base64');
  }
  return { files, ...(Object.keys(binary).length > 0 ? { binary_files: binary } : {}) };
}

async function simpleParams(sources: StoredSources, source: SimpleSource): Promise<JsonObject> {
  const { artifactSha256, entrypoint, requirements } = source;
  return { ...(await filesOf(sources, artifactSha256)), entrypoint, requirements: [...requirements] };
}

const loginOf = (name: string, credentials: Credentials | undefined): JsonObject =>
  credentials === undefined ? {} : { [name]: { username: credentials.username, password: credentials.password } };

async function customParams(sources: StoredSources, source: CustomSource): Promise<JsonObject> {
  const { buildArgs, target, dockerfile } = source;
  return {
    ...(await originParams(sources, source)),
    ...(Object.keys(buildArgs).length === 0 ? {} : { build_args: { ...buildArgs } }),
    ...(target === '' ? {} : { target }),
    ...(dockerfile === '' ? {} : { dockerfile }),
  };
}

async function originParams(sources: StoredSources, { from }: CustomSource): Promise<JsonObject> {
  switch (from.case) {
    case 'artifactSha256':
      return { archive: (await buffer(artifactChunks(sources, from.value))).toString('base64') };
    case 'archiveUrl':
      return { archive_url: from.value };
    case 'git': {
      const { url, ref, subdir, credentials } = from.value;
      return {
        git_repo: url,
        ...(ref === '' ? {} : { git_branch: ref }),
        ...(subdir === '' ? {} : { git_subdir: subdir }),
        ...loginOf('git_auth', credentials),
      };
    }
    case undefined:
      return {};
  }
}

const imageParams = ({ image, pull, credentials }: ImageSource): JsonObject => ({
  docker_image: image,
  pull,
  ...loginOf('registry_auth', credentials),
});

export async function taskParams(sources: StoredSources, { spec }: Ensure): Promise<JsonObject> {
  const env = { env_vars: { ...spec?.env } };
  switch (spec?.source.case) {
    case 'simple':
      return { deployment_mode: 'simple', ...(await simpleParams(sources, spec.source.value)), ...env };
    case 'custom':
      return { deployment_mode: 'custom', ...(await customParams(sources, spec.source.value)), ...env };
    case 'image':
      return { deployment_mode: 'image', ...imageParams(spec.source.value), ...env };
    default:
      return env;
  }
}
