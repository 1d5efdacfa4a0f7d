/**
 * Moves the Telegram token of a bot out of its source into its environment, before the source is stored: the source is read twice, once to
 * find the token, once to write it anew without. Throws ProblemError TOKEN_NOT_MOVED where that cannot be done for certain; then nothing
 * has changed.
 */
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { nextTurn } from '#common/background.ts';
import { refuse } from '#common/problem.ts';
import type { ContextEntry } from '#common/safe-tar.ts';
import { isEnvFile } from '#common/source-search/file-kinds.ts';
import { type Finding, placesText } from '#common/source-search/findings.ts';
import { createSourceSearch, telegramTokensIn } from '#common/source-search/search.ts';
import { envVariables, isRewritten, rewrite, rewrittenMaxBytes } from './rewrite.ts';

/** The entries of a source, from the start each time. */
export type Entries = () => AsyncIterable<ContextEntry>;

export interface MovePlan {
  readonly token: string;
  /** What the environment gets: each has the token. */
  readonly variables: readonly string[];
  /** The new bytes of the files that change. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** What has changed, for people, one line each. */
  readonly changes: readonly string[];
}

const usualVariable = 'BOT_TOKEN';
// Of files with a token in them: more is not code that somebody has written.
const heldMaxBytes = 4 * 1024 * 1024;
const hint =
  'Have the code read BOT_TOKEN from its environment (os.environ["BOT_TOKEN"], process.env.BOT_TOKEN), take the token out of the source, ' +
  'and give it with "env_vars".';

export function refuseToMove(message: string, findings: readonly Pick<Finding, 'file' | 'line'>[] = []): never {
  return refuse('TOKEN_NOT_MOVED', message, {
    details: { places: findings.slice(0, 8).map(({ file, line }) => `${file}:${line}`) },
    hint,
  });
}

/** Undefined when there is no token that the bot would use. */
export async function planMove(entries: Entries, userId: string): Promise<MovePlan | undefined> {
  const search = createSourceSearch();
  const held = new Map<string, string>();
  let heldBytes = 0;
  for await (const entry of entries()) {
    if (entry.kind !== 'file') continue;
    if (entry.sizeBytes > rewrittenMaxBytes) {
      await search.read(entry);
      continue;
    }
    const bytes = await buffer(entry.content);
    const { name, sizeBytes } = entry;
    await search.read({ name, sizeBytes, content: once(bytes) });
    const text = bytes.toString('latin1');
    if (telegramTokensIn(text).next().done === true || heldBytes + text.length > heldMaxBytes) continue;
    heldBytes += text.length;
    held.set(name, text);
  }
  const found = search.found.findings().filter(({ kind, isUsed }) => kind === 'telegram' && isUsed);
  const [token, ...others] = search.found.used;
  if (token === undefined) return undefined;
  if (others.length > 0) {
    refuseToMove(`There is more than one Telegram token in the source: ${placesText(found)}.`, found);
  }
  return planFiles(userId, token, found, held);
}

async function planFiles(
  userId: string,
  token: string,
  found: readonly Finding[],
  held: ReadonlyMap<string, string>,
): Promise<MovePlan> {
  const names = [...new Set(found.map(({ file }) => file))];
  const given = [
    ...new Set(names.flatMap((name) => (isEnvFile(name) ? envVariables(held.get(name) ?? '', token) : []))),
  ];
  const variables = given.length > 0 ? given : [usualVariable];
  const [variable = usualVariable] = variables;
  const files = new Map<string, Buffer>();
  const changes: string[] = [];
  for (const name of names) {
    const text = held.get(name);
    const place = found.filter(({ file }) => file === name);
    if (text === undefined) {
      return refuseToMove(`The Telegram token in ${placesText(place)} cannot be moved: the file is too large.`, place);
    }
    // Others get their turn: a file takes some ten milliseconds.
    await nextTurn();
    const rewriting = await rewrite({ path: name, text, token, variable, userId });
    if (isRewritten(rewriting)) {
      files.set(name, Buffer.from(rewriting.text, 'latin1'));
      changes.push(...rewriting.changes);
    } else {
      const at = [{ file: name, line: rewriting.line }];
      refuseToMove(`The Telegram token in ${placesText(at)} cannot be moved: ${rewriting.why}.`, at);
    }
  }
  return { token, variables, files, changes };
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** The source with the new files, as a tar. What is wrong with it shows in the stream. */
export function repacked(entries: Entries, files: ReadonlyMap<string, Buffer>): Pack {
  const tar = pack();
  // A pack that is destroyed leaves a write to it hanging.
  const givenUp = new AbortController();
  tar.once('close', () => givenUp.abort());
  const add = async () => {
    for await (const entry of entries()) await addEntry(tar, entry, files, givenUp.signal);
    tar.finalize();
  };
  // It may fail before anybody reads it: an event without a listener would throw.
  tar.on('error', () => {});
  add().catch((error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))));
  return tar;
}

const mtime = new Date(0);

async function addEntry(
  tar: Pack,
  entry: ContextEntry,
  files: ReadonlyMap<string, Buffer>,
  givenUp: AbortSignal,
): Promise<void> {
  if (entry.kind === 'folder') {
    tar.entry({ name: `${entry.name}/`, type: 'directory', mode: 0o755, mtime });
    return;
  }
  if (entry.kind === 'link') {
    tar.entry({ name: entry.name, type: 'symlink', linkname: entry.target, mtime });
    return;
  }
  const header = { name: entry.name, mode: entry.executable ? 0o755 : 0o644, mtime };
  const changed = files.get(entry.name);
  if (changed !== undefined) {
    // Read to its end, as a tar must be.
    for await (const _piece of entry.content);
    tar.entry(header, changed);
    return;
  }
  const sink = tar.entry({ ...header, size: entry.sizeBytes });
  // A streamx stream: Node's pipeline takes it, only its type is not Node's.
  await pipeline(entry.content, sink as unknown as NodeJS.WritableStream, { signal: givenUp });
}
