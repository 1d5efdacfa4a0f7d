/**
 * Checks an uploaded archive while it passes by: a tar or a gzipped tar with plain files, folders and links that stay inside,
 * bounded in number and size. Nothing is extracted. Which mode it is for is not known yet; the worker refuses links in simple
 * mode.
 */
import { PassThrough } from 'node:stream';
import { refuse } from '#common/problem.ts';
import { defaultTarLimits, readContextTar } from '#common/safe-tar.ts';
import { createSourceSearch } from '#common/source-search/search.ts';
import type { SearchedSource } from '../engine/source-findings.ts';
import { searchedOf } from './searched.ts';

export interface TarCheck {
  /** Rejects with INVALID_ARCHIVE or ARCHIVE_TOO_LARGE as soon as something is wrong. */
  write(chunk: Uint8Array): Promise<void>;
  /** Resolves once the whole archive was seen and is fine, with what a search of it has found. */
  end(): Promise<SearchedSource>;
  destroy(): void;
}

export function createTarCheck(): TarCheck {
  const stream = new PassThrough();
  // Once reading has ended early, what is still written fails; the failure that is reported is the one of the reading.
  stream.on('error', () => undefined);
  let failure: unknown;
  const done = read(stream);
  // Awaited in end(); until then a failure is kept and thrown by the next write.
  done.catch((error: unknown) => {
    failure = error;
  });
  const throwFailure = () => {
    if (failure !== undefined) throw failure;
  };
  return {
    async write(chunk) {
      throwFailure();
      if (stream.destroyed) await done;
      if (stream.write(chunk)) return throwFailure();
      const drained = Promise.withResolvers<void>();
      stream.once('drain', drained.resolve);
      // A stream that was given up never drains.
      await Promise.race([drained.promise, done]);
      throwFailure();
    },
    async end() {
      stream.end();
      return done;
    },
    destroy: () => {
      stream.destroy();
    },
  };
}

async function read(stream: PassThrough): Promise<SearchedSource> {
  let files = 0;
  const search = createSourceSearch();
  // What is left out is named where the archive is built from.
  for await (const entry of readContextTar(stream, defaultTarLimits, () => {})) {
    if (entry.kind !== 'file') continue;
    files += 1;
    await search.read(entry);
  }
  if (files === 0) refuse('INVALID_ARCHIVE', 'The archive contains no file.');
  return searchedOf(search.found);
}
