/** What a bot in simple mode would lose by an upload that leaves something out. */
import { Readable } from 'node:stream';
import { nextTurn } from '#common/background.ts';
import type { BotKey } from '#common/ids.ts';
import { refuse } from '#common/problem.ts';
import { readSafeTar } from '#common/safe-tar.ts';
import { openSoundSpec } from '../engine/specs.ts';
import { wantBot } from '../store/want.ts';
import { artifactChunks, type StoredSources } from './artifact-chunks.ts';

const leftOutMax = 1_000;

/**
 * Those of `leftOut`, paths of files and folders, that the bot's present artifact holds, or holds files of. None for a bot that
 * is not there, has another kind of source, or whose spec cannot be opened. Refuses with INVALID_FILES_FORMAT too many.
 */
export async function sentBefore(
  sources: StoredSources,
  key: BotKey,
  leftOut: readonly string[],
): Promise<readonly string[]> {
  const { store, sealKey } = sources;
  if (leftOut.length > leftOutMax) {
    refuse('INVALID_FILES_FORMAT', `"left_out" has ${leftOut.length} paths; at most ${leftOutMax} are allowed.`, {
      details: { field: 'left_out', max: leftOutMax },
    });
  }
  const bot = leftOut.length === 0 ? undefined : await store.look([wantBot(key)], (tx) => tx.bots.get(key));
  const source = bot && openSoundSpec(sealKey, bot, bot.specSealed)?.source;
  if (source?.case !== 'simple') return [];
  const asked = new Set(leftOut);
  const found = new Set<string>();
  for await (const { name, kind } of readSafeTar(Readable.from(slowly(sources, source.value.artifactSha256)))) {
    if (kind !== 'file') continue;
    for (let end = name.length; end > 0; end = name.lastIndexOf('/', end - 1)) {
      const path = name.slice(0, end);
      if (asked.has(path)) found.add(path);
    }
  }
  return leftOut.filter((path) => found.has(path));
}

/** Others get their turn between two chunks. */
async function* slowly(sources: StoredSources, sha256: string): AsyncGenerator<Uint8Array> {
  for await (const chunk of artifactChunks(sources, sha256)) {
    yield chunk;
    await nextTurn();
  }
}
