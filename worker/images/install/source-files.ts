/** Single files out of a bot's source tar. */
import { buffer } from 'node:stream/consumers';
import { refuse } from '#common/problem.ts';
import { shownName } from '#common/safe-path.ts';
import { readSafeTar } from '#common/safe-tar.ts';
import type { SourceTar } from '../../state/source-tar.ts';

export interface SourceFiles {
  /** All files of the source. */
  readonly paths: ReadonlySet<string>;
  /** A key for each path asked for; undefined for one that is not there. */
  readonly contents: ReadonlyMap<string, Uint8Array | undefined>;
}

/** INVALID_REQUIREMENTS for one that is longer than `maxBytes`; what readSafeTar throws for a bad tar. */
export async function readSourceFiles(
  tar: SourceTar,
  asked: readonly string[],
  maxBytes: number,
  signal: AbortSignal,
): Promise<SourceFiles> {
  const paths = new Set<string>();
  const contents = new Map<string, Uint8Array | undefined>(asked.map((path) => [path, undefined]));
  for await (const entry of readSafeTar(tar.open())) {
    signal.throwIfAborted();
    if (entry.kind !== 'file') continue;
    paths.add(entry.name);
    if (!contents.has(entry.name)) continue;
    if (entry.sizeBytes > maxBytes) {
      refuse('INVALID_REQUIREMENTS', `${shownName(entry.name)} is longer than ${maxBytes} bytes.`, {
        details: { field: 'requirement_files', max: maxBytes },
        hint: 'Is it the right file? Packages are installed from it.',
      });
    }
    contents.set(entry.name, await buffer(entry.content));
  }
  return { paths, contents };
}
