/** What "move_token" makes of a request: its source without the token, its environment with it. */
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Clock } from '#common/clock.ts';
import type { BotKey } from '#common/ids.ts';
import { refuse, unwrap } from '#common/problem.ts';
import { defaultTarLimits, readContextTar } from '#common/safe-tar.ts';
import type { BotRequest, Deployment, SourceRequest } from '../../core/validate/bot-request.ts';
import { parseEnv } from '../../core/validate/env.ts';
import { putSearched } from '../../engine/source-findings.ts';
import { openSoundSpec } from '../../engine/specs.ts';
import { wantBot } from '../../store/want.ts';
import { artifactChunks } from '../artifact-chunks.ts';
import { type ArtifactWriterParts, createArtifactWriter } from '../artifact-writer.ts';
import { createTarCheck } from '../tar-check.ts';
import { type Entries, type MovePlan, planMove, refuseToMove, repacked } from './move.ts';

export interface MoveDeps extends ArtifactWriterParts {
  readonly clock: Clock;
}

type DeployRequest = Extract<BotRequest, { action: 'start' | 'update' }>;

export interface Moved {
  readonly deployment: Deployment;
  /** What has changed, for people, one line each. */
  readonly changes: readonly string[];
}

const nothingToMove = 'there is no Telegram token in the source that the bot would use: nothing was moved';
// They are stored with the job, and people read no more.
const changesShown = 12;
const variablesShown = 4;
// As of what is uploaded.
const movedMaxBytes = 200 * 1000 * 1000;

/** Throws ProblemError TOKEN_NOT_MOVED, INVALID_ENV_VARS, ARTIFACT_NOT_FOUND, and what is thrown for a source that cannot be read. */
export async function moveToken(deps: MoveDeps, userId: string, request: DeployRequest): Promise<Moved> {
  const { deployment } = request;
  const { source } = deployment;
  const entries = await entriesOf(deps, userId, source);
  const plan = await planMove(entries, userId);
  if (plan === undefined) return { deployment, changes: [nothingToMove] };
  await checkVariables(deps, { userId, botId: request.botId }, request, plan);
  const env = unwrap(parseEnv([...deployment.env, ...plan.variables.map((name) => [name, plan.token] as const)]));
  const changes = [
    ...some(plan.changes, changesShown),
    ...some(
      plan.variables.map((name) => `${name} is in the sealed environment of the bot now`),
      variablesShown,
    ),
  ];
  return { deployment: { ...deployment, env, source: await without(deps, userId, source, entries, plan) }, changes };
}

const some = (lines: readonly string[], most: number): readonly string[] =>
  lines.length <= most ? lines : [...lines.slice(0, most - 1), `... and ${lines.length - most + 1} more`];

/** Nothing of the user's is replaced without a word. */
async function checkVariables(
  { store, sealKey }: MoveDeps,
  key: BotKey,
  { action, deployment, change }: DeployRequest,
  { variables, token }: MovePlan,
): Promise<void> {
  const bot = await store.look([wantBot(key)], (tx) => tx.bots.get(key));
  const isUpdate = bot !== undefined && (action === 'update' || bot.desired === 'running');
  const spec = isUpdate && !change.replaceEnv ? openSoundSpec(sealKey, bot, bot.specSealed) : undefined;
  for (const name of variables) {
    const kept = change.reset.env.includes(name) ? undefined : spec?.env[name];
    const value = deployment.env.get(name) ?? kept;
    if (value === undefined || value === token) continue;
    refuseToMove(`The Telegram token cannot be moved: the variable ${name} of the bot has another value already.`);
  }
}

async function entriesOf(deps: MoveDeps, userId: string, source: SourceRequest): Promise<Entries> {
  switch (source.kind) {
    case 'inline':
      return async function* () {
        for (const [name, text] of source.files) {
          const bytes = Buffer.from(text);
          const content = Readable.from([bytes], { objectMode: false });
          yield { name, kind: 'file', sizeBytes: bytes.length, executable: false, content } as const;
        }
      };
    case 'inline_archive':
      return () => tarEntries(Readable.from([source.bytes], { objectMode: false }));
    case 'artifact':
    case 'custom_artifact': {
      const isTheirs = await deps.store.look([], (tx) => tx.artifacts.isOwnedBy(userId, source.sha256));
      if (!isTheirs) refuse('ARTIFACT_NOT_FOUND', 'There is no artifact with that sha256.');
      return () => tarEntries(Readable.from(artifactChunks(deps, source.sha256), { objectMode: false }));
    }
    case 'archive_url':
    case 'git':
    case 'image':
      return refuseToMove('The source does not come with the request, so its Telegram token cannot be moved.');
  }
}

const tarEntries = (tar: Readable) => readContextTar(tar, defaultTarLimits, () => {});

async function without(
  deps: MoveDeps,
  userId: string,
  source: SourceRequest,
  entries: Entries,
  { files }: MovePlan,
): Promise<SourceRequest> {
  switch (source.kind) {
    case 'inline': {
      const changed = [...files].map(([name, bytes]) => [name, bytes.toString()] as const);
      return { ...source, files: new Map([...source.files, ...changed]) };
    }
    case 'inline_archive': {
      const tar = Readable.from(repacked(entries, files), { objectMode: false });
      return { ...source, bytes: await buffer(isGzip(source.bytes) ? tar.compose(createGzip()) : tar) };
    }
    case 'artifact':
    case 'custom_artifact':
      return { ...source, sha256: await storeAnew(deps, userId, source.sha256, entries, files) };
    default:
      return source;
  }
}

const isGzip = (bytes: Uint8Array | undefined): boolean => bytes?.[0] === 0x1f && bytes[1] === 0x8b;

/** The sha256 of the new artifact. The one that was uploaded is needed by nobody, and goes as such do. */
async function storeAnew(
  deps: MoveDeps,
  userId: string,
  former: string,
  entries: Entries,
  files: ReadonlyMap<string, Buffer>,
): Promise<string> {
  const writer = createArtifactWriter(deps, { userId, createdAt: deps.clock.wallMs() });
  let isNew = false;
  const check = createTarCheck();
  try {
    const { value: first } = await artifactChunks(deps, former).next();
    const tar = Readable.from(repacked(entries, files), { objectMode: false });
    let bytes = 0;
    const save = async (pieces: AsyncIterable<Uint8Array>) => {
      for await (const piece of pieces) {
        bytes += piece.length;
        if (bytes > movedMaxBytes) refuse('ARCHIVE_TOO_LARGE', 'Without the token the archive is larger than allowed.');
        await check.write(piece);
        await writer.write(piece);
      }
    };
    await (isGzip(first ?? undefined) ? pipeline(tar, createGzip(), save) : pipeline(tar, save));
    const searched = await check.end();
    const { sha256, sizeBytes } = await writer.end();
    const now = deps.clock.wallMs();
    isNew = await deps.store.change([], (tx) => {
      const isUsed = tx.artifacts.finish(writer.uploadId, sha256, sizeBytes, now);
      tx.artifacts.own(userId, sha256, now);
      putSearched(deps.sealKey, tx, sha256, searched);
      return isUsed;
    });
    return sha256;
  } finally {
    check.destroy();
    if (!isNew) await writer.discard();
  }
}
