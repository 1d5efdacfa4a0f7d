/** Reads an archive that came inside a request, for custom mode, before the request is accepted: within bounds of time too. */
import { addAbortSignal, Readable } from 'node:stream';
import { refuse } from '#common/problem.ts';
import { readContextTar, type TarLimits } from '#common/safe-tar.ts';
import { createSourceSearch } from '#common/source-search/search.ts';
import type { SearchedSource } from '../engine/source-findings.ts';
import { inPieces } from './in-pieces.ts';
import { searchedOf } from './searched.ts';

const readMs = 30_000;

/** What a search of it has found. Throws ProblemError: INVALID_ARCHIVE, also without a Dockerfile, or ARCHIVE_TOO_LARGE. */
export async function checkInlineArchive(
  bytes: Uint8Array,
  limits?: TarLimits,
  timeoutMs = readMs,
): Promise<SearchedSource> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const source = addAbortSignal(timeout, Readable.from(inPieces(bytes), { objectMode: false }));
  const files = new Set<string>();
  const tops = new Set<string>();
  const search = createSourceSearch();
  try {
    for await (const entry of readContextTar(source, limits, () => {})) {
      tops.add(entry.name.split('/')[0] ?? '');
      if (entry.kind !== 'file') continue;
      files.add(entry.name);
      await search.read(entry);
    }
  } catch (error) {
    if (timeout.aborted) refuse('ARCHIVE_TOO_LARGE', `Reading the archive takes longer than ${timeoutMs / 1000} s.`);
    throw error;
  }
  // A folder around everything, as many sites pack it, is looked through.
  const [top, ...others] = tops;
  const inFolder = top !== undefined && others.length === 0 && files.has(`${top}/Dockerfile`);
  if (files.has('Dockerfile') || inFolder) return searchedOf(search.found);
  refuse('INVALID_ARCHIVE', 'The archive has no Dockerfile at its root.', {
    details: { field: 'archive', rule: 'no_dockerfile' },
    hint: 'Pack the folder that contains the Dockerfile: tar -czf bot.tar.gz -C FOLDER . (for code without one use simple mode)',
  });
}
