/** A start as a task for a REST worker: the spec with the files themselves, in the words of the original system. */
import { Readable } from 'node:stream';
import tar from 'tar-stream';
import type { JsonObject } from '#common/problem.ts';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import type { Store } from '../store/store.ts';

function* chunksOf(store: Store, sha256: string): Generator<Uint8Array> {
  const artifact = store.read.artifacts.get(sha256);
  for (let n = 0; artifact !== undefined; n++) {
    const chunk = store.read.artifacts.chunk(artifact.uploadId, n);
    if (chunk === undefined) return;
    yield chunk;
  }
}

/** Text files of an artifact by name; a file that is not UTF-8 becomes base64 under `binary_files`. */
async function filesOf(store: Store, sha256: string): Promise<JsonObject> {
  const files: Record<string, string> = Object.create(null);
  const binary: Record<string, string> = Object.create(null);
  const extract = tar.extract();
  Readable.from(chunksOf(store, sha256)).pipe(extract);
  for await (const entry of extract) {
    const pieces: Buffer[] = [];
    for await (const piece of entry) pieces.push(piece as Buffer); // tar-stream gives Buffers
    if (entry.header.type !== 'file') continue;
    const bytes = Buffer.concat(pieces);
    const text = bytes.toString('utf8');
    if (Buffer.from(text).equals(bytes)) files[entry.header.name] = text;
    else binary[entry.header.name] = bytes.toString('base64');
  }
  return { files, ...(Object.keys(binary).length > 0 ? { binary_files: binary } : {}) };
}

export async function taskParams(store: Store, { spec }: Ensure): Promise<JsonObject> {
  const env = { env_vars: { ...spec?.env } };
  if (spec?.source.case !== 'simple') return env;
  const { artifactSha256, entrypoint, requirements } = spec.source.value;
  return {
    deployment_mode: 'simple',
    ...(await filesOf(store, artifactSha256)),
    entrypoint,
    requirements: [...requirements],
    ...env,
  };
}
