/**
 * A bot's code as a tar that is unpacked at the root of its container: the user's files re-packed under app/, as the bot's own.
 * Streamed: at no time is more than one chunk of a file in memory.
 */
import { pipeline } from 'node:stream/promises';
import { type Header, type Pack, pack } from 'tar-stream';
import { readSafeTar } from '#common/safe-tar.ts';
import type { SourceTar } from '../state/source-tar.ts';
import { appDir, botUid } from './dockerfile.ts';

/** Fixed, so that the same source gives the same tar. Not 1970: zip, and so Python's wheels, cannot hold dates before 1980. */
export const modified = new Date('2000-01-01T00:00:00Z');

export const folder = (name: string): Partial<Header> & { name: string } => ({
  name,
  type: 'directory',
  mode: 0o755,
  mtime: modified,
});

const mine = { uid: botUid, gid: botUid } as const;
const top = appDir.slice(1);

/** Adds the source's files under app/, and the end. Rejects with the ProblemError of a bad source. */
export async function addCode(tar: Pack, sourceTar: SourceTar): Promise<void> {
  // A pack that is destroyed leaves a write to it hanging.
  const givenUp = new AbortController();
  tar.once('close', () => givenUp.abort());
  for await (const entry of readSafeTar(sourceTar.open())) {
    if (entry.kind === 'folder') {
      tar.entry({ ...folder(`${top}/${entry.name}/`), ...mine });
      continue;
    }
    const mode = entry.executable ? 0o755 : 0o644;
    const sink = tar.entry({ name: `${top}/${entry.name}`, size: entry.sizeBytes, mode, mtime: modified, ...mine });
    // A streamx stream: Node's pipeline takes it, only its type is not Node's.
    await pipeline(entry.content, sink as unknown as NodeJS.WritableStream, { signal: givenUp.signal });
  }
  tar.finalize();
}

export interface CodeArchive {
  readonly tar: Pack;
  /** Settles when the tar is written out or given up; rejects with the ProblemError of a bad source. */
  readonly done: Promise<void>;
}

/** The tar of a source. What is wrong with the source shows in `done`, and destroys the tar. */
export function createCodeArchive(sourceTar: SourceTar): CodeArchive {
  const tar = pack();
  return { tar, done: giveUpOnFailure(tar, addCode(tar, sourceTar)) };
}

/** The same promise, which destroys the tar when it fails. */
export function giveUpOnFailure(tar: Pack, adding: Promise<void>): Promise<void> {
  // It may fail before anybody reads it. Without a listener the event would throw, the tar would never close, and its reader would wait for ever.
  tar.on('error', () => {});
  const done = adding.catch((error: unknown) => {
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  // A reader of only the stream learns of the failure there; this keeps an unread `done` from ending the process.
  done.catch(() => {});
  return done;
}
