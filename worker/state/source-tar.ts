/** The source of a bot on this machine: a tar or gzipped tar that can be read as often as needed, however it is kept. */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';

export interface SourceTar {
  /** Its bytes, from the start. What is wrong with the file shows as an error of the stream. */
  open(): Readable;
}

/** One that is kept as it is. */
export const plainTar = (path: string): SourceTar => ({ open: () => createReadStream(path) });
