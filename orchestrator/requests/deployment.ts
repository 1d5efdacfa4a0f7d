/** From a checked deployment to the spec a job carries, with the artifact made of inline files. */
import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import tar from 'tar-stream';
import { BotLanguage, type BotSpec, BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import type { Deployment } from '../core/validate/bot-request.ts';

export interface PreparedDeployment {
  readonly spec: BotSpec;
  readonly mode: string;
  readonly artifactSha256: string;
  /** The artifact's bytes, when they came with the request. */
  readonly artifact?: { readonly sha256: string; readonly bytes: Uint8Array };
}

/** A tar of the files, the same bytes for the same files: sorted, without times and owners. */
export async function packFiles(files: ReadonlyMap<string, string>): Promise<Uint8Array> {
  const pack = tar.pack();
  const chunks: Buffer[] = [];
  const done = (async () => {
    for await (const chunk of pack) chunks.push(chunk as Buffer); // tar-stream packs Buffers
  })();
  for (const name of [...files.keys()].sort()) {
    pack.entry({ name, mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 }, files.get(name) ?? '');
  }
  pack.finalize();
  await done;
  return Buffer.concat(chunks);
}

const languages = { python: BotLanguage.PYTHON, node: BotLanguage.NODE } as const;

export async function prepareDeployment({ source, env, limits }: Deployment): Promise<PreparedDeployment> {
  const bytes = source.kind === 'inline' ? await packFiles(source.files) : undefined;
  const sha256 =
    source.kind === 'inline' && bytes !== undefined
      ? createHash('sha256').update(bytes).digest('hex')
      : source.kind === 'artifact'
        ? source.sha256
        : '';
  const spec = create(BotSpecSchema, {
    source: {
      case: 'simple',
      value: {
        artifactSha256: sha256,
        entrypoint: source.entrypoint,
        requirements: [...source.requirements],
        language: languages[source.language],
      },
    },
    env: Object.fromEntries(env),
    limits: { memoryBytes: BigInt(limits.memoryBytes ?? 0), cpuMillis: limits.cpuMillis ?? 0 },
  });
  return {
    spec,
    mode: 'simple',
    artifactSha256: sha256,
    ...(bytes === undefined ? {} : { artifact: { sha256, bytes } }),
  };
}
