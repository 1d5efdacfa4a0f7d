/** From a checked deployment to the spec a job carries, with the artifact that came inside the request. */
import { createHash } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import tar from 'tar-stream';
import type { Secret } from '#common/secret.ts';
import { createSourceSearch } from '#common/source-search/search.ts';
import { BotLanguage, type BotSpec, BotSpecSchema, type CustomSourceSchema } from '#gen/botrunner/v1/bot_pb.js';
import type { CustomSourceRequest, Deployment, Login, Settings, SourceRequest } from '../core/validate/bot-request.ts';
import type { NewJob } from '../engine/accept.ts';
import type { SearchedSource } from '../engine/source-findings.ts';
import { sealUpload } from './artifact-writer.ts';
import { inPieces } from './in-pieces.ts';
import { checkInlineArchive } from './inline-archive.ts';
import { searchedOf } from './searched.ts';

export interface PreparedDeployment {
  readonly spec: BotSpec;
  readonly mode: string;
  /** Empty for a source that is fetched. */
  readonly artifactSha256: string;
  /** The artifact itself, sealed, when it came with the request. */
  readonly artifact?: NonNullable<NewJob['artifact']>;
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

export async function prepareDeployment(
  sealKey: Secret<Uint8Array>,
  { source, ...settings }: Deployment,
): Promise<PreparedDeployment> {
  const content = await contentOf(source);
  const bytes = content?.bytes;
  const sha256 = bytes === undefined ? uploadedSha256(source) : await sha256Of(bytes);
  const spec = create(BotSpecSchema, { source: sourceOf(source, sha256), ...settingsInit(settings) });
  return {
    spec,
    mode: spec.source.case ?? '',
    artifactSha256: sha256,
    ...(content === undefined ? {} : { artifact: await artifactOf(sealKey, sha256, content) }),
  };
}

/** A spec without a source, for a bot that keeps its own. */
export const settingsSpec = (settings: Settings): BotSpec => create(BotSpecSchema, settingsInit(settings));

const settingsInit = ({ env, limits, on, readOnly }: Settings) => ({
  env: Object.fromEntries(env),
  limits: {
    memoryBytes: BigInt(limits.memoryBytes ?? 0),
    cpuMillis: limits.cpuMillis ?? 0,
    diskBytes: BigInt(limits.diskBytes ?? 0),
    pids: limits.pids ?? 0,
    stopGraceMs: limits.stopGraceMs ?? 0,
    stopSignal: limits.stopSignal ?? '',
  },
  on: { ...on },
  ...(readOnly === undefined ? {} : { readOnly }),
});

interface Content {
  readonly bytes: Uint8Array;
  readonly searched: SearchedSource;
}

const artifactOf = async (sealKey: Secret<Uint8Array>, sha256: string, { bytes, searched }: Content) => ({
  sha256,
  searched,
  sizeBytes: bytes.length,
  upload: await sealUpload(sealKey, bytes),
});

/** The artifact that came with the request. An archive is kept as it was sent once it was read and found fine. */
async function contentOf(source: SourceRequest): Promise<Content | undefined> {
  if (source.kind === 'inline') {
    return { bytes: await packFiles(source.files), searched: await search(source.files) };
  }
  if (source.kind !== 'inline_archive') return undefined;
  return { bytes: source.bytes, searched: await checkInlineArchive(source.bytes) };
}

async function search(files: ReadonlyMap<string, string>): Promise<SearchedSource> {
  const all = createSourceSearch();
  for (const [name, text] of files) {
    const bytes = Buffer.from(text);
    await all.read({ name, sizeBytes: bytes.length, content: inPieces(bytes) });
  }
  return searchedOf(all.found);
}

async function sha256Of(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of inPieces(bytes)) hash.update(piece);
  return hash.digest('hex');
}

const uploadedSha256 = (source: SourceRequest): string =>
  source.kind === 'artifact' || source.kind === 'custom_artifact' ? source.sha256 : '';

const credentialsOf = (login: Login | undefined) =>
  login === undefined ? {} : { credentials: { username: login.username, password: login.password.reveal() } };

type SpecInit = MessageInitShape<typeof BotSpecSchema>;

function sourceOf(source: SourceRequest, artifactSha256: string): NonNullable<SpecInit['source']> {
  switch (source.kind) {
    case 'inline':
    case 'artifact':
      return {
        case: 'simple',
        value: {
          artifactSha256,
          entrypoint: source.entrypoint,
          command: [...source.command],
          requirements: [...source.requirements],
          requirementFiles: [...source.requirementFiles],
          language: languages[source.language],
        },
      };
    case 'inline_archive':
    case 'custom_artifact':
    case 'archive_url':
    case 'git': {
      const { buildArgs = new Map(), target = '', dockerfile = '' } = source.build ?? {};
      const from = originOf(source, artifactSha256);
      return { case: 'custom', value: { from, buildArgs: Object.fromEntries(buildArgs), target, dockerfile } };
    }
    case 'image':
      return { case: 'image', value: { image: source.image, pull: source.pull, ...credentialsOf(source.login) } };
  }
}

type OriginInit = NonNullable<MessageInitShape<typeof CustomSourceSchema>['from']>;

function originOf(source: CustomSourceRequest, artifactSha256: string): OriginInit {
  switch (source.kind) {
    case 'inline_archive':
    case 'custom_artifact':
      return { case: 'artifactSha256', value: artifactSha256 };
    case 'archive_url':
      return { case: 'archiveUrl', value: source.url };
    case 'git': {
      const { url, ref, subdir, login } = source;
      return { case: 'git', value: { url, ref, subdir, ...credentialsOf(login) } };
    }
  }
}
