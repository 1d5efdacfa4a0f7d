/**
 * Checks an uploaded tar while it passes by: plain files and folders with safe relative names only, bounded in number.
 * Nothing is extracted.
 */
import tar from 'tar-stream';
import { ProblemError, problem, refuse } from '#common/problem.ts';
import { checkRelativePath } from '#common/safe-path.ts';

const maxEntries = 10_000;

export interface TarCheck {
  /** Rejects with INVALID_ARCHIVE or INVALID_FILE_PATH as soon as something is wrong. */
  write(chunk: Uint8Array): Promise<void>;
  /** Resolves once the whole tar was seen and is fine. */
  end(): Promise<void>;
  destroy(): void;
}

export function createTarCheck(): TarCheck {
  const extract = tar.extract();
  let entries = 0;
  let files = 0;
  let failure: unknown;
  const finished = Promise.withResolvers<void>();
  // Awaited in end(); until then a failure is kept in `failure` and thrown by the next write.
  finished.promise.catch(() => undefined);

  function checkEntry(name: string, type: string | null | undefined): void {
    entries += 1;
    if (entries > maxEntries) refuse('INVALID_ARCHIVE', `The archive has more than ${maxEntries} entries.`);
    if (type !== 'file' && type !== 'directory') {
      refuse('INVALID_ARCHIVE', `The archive holds an entry of type ${type ?? 'unknown'}.`, {
        details: { name: name.slice(0, 255) },
        hint: 'Only plain files and folders are allowed; replace links by what they point to.',
      });
    }
    const path = checkRelativePath(type === 'directory' ? name.replace(/\/$/, '') : name);
    if (!path.ok) throw new ProblemError(path.problem);
    if (type === 'file') files += 1;
  }

  extract.on('entry', (header, stream, next) => {
    try {
      checkEntry(header.name, header.type);
    } catch (error) {
      failure = error;
      extract.destroy(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    stream.on('end', next);
    stream.resume();
  });
  extract.on('finish', finished.resolve);
  extract.on('error', (error: unknown) => {
    failure ??= new ProblemError(problem('INVALID_ARCHIVE', 'The archive is not a readable tar.'), { cause: error });
    finished.reject(failure);
  });

  const throwFailure = () => {
    if (failure !== undefined) throw failure;
  };

  return {
    async write(chunk) {
      throwFailure();
      if (extract.write(Buffer.from(chunk))) return throwFailure();
      const drained = Promise.withResolvers<void>();
      extract.once('drain', drained.resolve);
      // A stream that failed never drains.
      await Promise.race([drained.promise, finished.promise]);
      throwFailure();
    },
    async end() {
      extract.end(null);
      await finished.promise;
      if (files === 0) refuse('INVALID_ARCHIVE', 'The archive holds no file.');
    },
    destroy: () => {
      extract.destroy();
    },
  };
}
