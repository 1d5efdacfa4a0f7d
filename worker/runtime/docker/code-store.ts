/**
 * The code of bots of simple mode, one tar for each image name, ready to be unpacked in a container of that image.
 *
 * 1. A file under its final name is whole, also after a power failure: it is on disk before it gets the name.
 * 2. An image whose code is missing here does not count: it is made again (images.ts).
 * 3. It is sealed: state/sealed-file.ts. That of an earlier release is sealed in the background.
 * 4. Each bot has a folder, so that what is done for one does not grow with the number of others.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { inBackground } from '#common/background.ts';
import { type BotKey, imageRepository } from '#common/ids.ts';
import type { Secret } from '#common/secret.ts';
import { createCodeArchive } from '../../images/code-archive.ts';
import { isErrno } from '../../state/atomic-file.ts';
import {
  isSealedFile,
  openedBytes,
  openKept,
  SealedFileError,
  type Sealing,
  sealInPlace,
  writeSealed,
} from '../../state/sealed-file.ts';
import type { SourceTar } from '../../state/source-tar.ts';

/** Code that is on disk and belongs to no image yet. */
export interface TakenCode {
  /** From now on it is the code of this image. */
  keepAs(image: string): Promise<void>;
  /** Without effect once it is kept. */
  drop(): Promise<void>;
}

export interface CodeStore {
  /** Re-packs a source. Throws the ProblemError of a bad one; then, and when it is aborted, nothing is left. */
  take(sourceTar: SourceTar, signal: AbortSignal): Promise<TakenCode>;
  /** Of the tar, in bytes, before it was sealed; undefined when the image has no code here. */
  size(image: string): Promise<number | undefined>;
  /** The tar; undefined when the image has no code here. */
  read(image: string): Promise<Readable | undefined>;
  remove(image: string): Promise<void>;
  /** Removes the code of the bot's images but those to keep. */
  removeAll(key: BotKey, keep: ReadonlySet<string>): Promise<void>;
}

const temporary = /\.part$/;
/** How it was before each bot had a folder: REPOSITORY@TAG.tar. */
const former = /^([^@]+)@([^@]+\.tar)$/;

/** `dir` is made when it is needed; one process at a time uses it. */
export function createCodeStore(dir: string, sealKey: Secret<Uint8Array>): CodeStore {
  const sealing: Sealing = { key: sealKey, boundTo: 'code' };
  const pathOf = (image: string) => {
    const [repository = '', tag = ''] = image.split(':');
    return join(dir, repository, `${tag}.tar`);
  };
  let opened: Promise<void> | undefined;
  const ready = () => {
    opened ??= openDir(dir, sealing).catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
  const sizeOf = async (image: string): Promise<number | undefined> => {
    await ready();
    const path = pathOf(image);
    const stored = await unlessAbsent(stat(path));
    if (stored === undefined) return undefined;
    return unlessAbsent(isSealedFile(path).then((is) => (is ? openedBytes(stored.size) : stored.size)));
  };
  return {
    async take(sourceTar, signal) {
      await ready();
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const part = partIn(dir);
      try {
        await write(sourceTar, part, sealing, signal);
      } catch (error) {
        await rm(part, { force: true });
        throw error;
      }
      return {
        keepAs: (image) => moveInto(part, pathOf(image)),
        drop: () => rm(part, { force: true }),
      };
    },
    size: sizeOf,
    async read(image) {
      if ((await sizeOf(image)) === undefined) return undefined;
      const path = pathOf(image);
      return openKept(path, sealing).once('error', (error) => {
        // Without it the image does not count, and is made again.
        if (error instanceof SealedFileError) inBackground(rm(path, { force: true }), () => undefined);
      });
    },
    async remove(image) {
      await ready();
      await rm(pathOf(image), { force: true });
      await removeIfEmpty(dirname(pathOf(image)));
    },
    async removeAll(key, keep) {
      await ready();
      const folder = join(dir, imageRepository(key));
      const kept = new Set([...keep].map(pathOf));
      for (const name of (await unlessAbsent(readdir(folder))) ?? []) {
        const path = join(folder, name);
        if (!kept.has(path)) await rm(path, { force: true });
      }
      await removeIfEmpty(folder);
    },
  };
}

/** Brings what an earlier process has left into today's form. */
async function openDir(dir: string, sealing: Sealing): Promise<void> {
  for (const name of (await unlessAbsent(readdir(dir))) ?? []) {
    const [, repository = '', file = ''] = former.exec(name) ?? [];
    if (temporary.test(name)) await rm(join(dir, name), { force: true });
    else if (file !== '') await moveInto(join(dir, name), join(dir, repository, file));
  }
  // What cannot be sealed now is read as it is, and tried again at the next start.
  inBackground(sealAll(dir, sealing), () => undefined);
}

/** Seals what a release has left that did not seal it, one file after the other. */
async function sealAll(dir: string, sealing: Sealing): Promise<void> {
  for (const folder of (await unlessAbsent(readdir(dir))) ?? []) {
    for (const name of (await readdir(join(dir, folder)).catch(() => [])) ?? []) {
      const path = join(dir, folder, name);
      if ((await unlessAbsent(isSealedFile(path))) === false)
        await unlessAbsent(sealInPlace(path, partIn(dir), sealing));
    }
  }
}

const partIn = (dir: string): string => join(dir, `${randomBytes(12).toString('hex')}.part`);

async function removeIfEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'ENOTEMPTY')) throw error;
  }
}

/** Makes the folder of the new name, also if it is removed at that very moment because nothing else is in it. */
async function moveInto(path: string, name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    await mkdir(dirname(name), { recursive: true, mode: 0o700 });
    try {
      return await rename(path, name);
    } catch (error) {
      if (!isErrno(error, 'ENOENT') || attempt === attemptsMax) throw error;
    }
  }
}

const attemptsMax = 3;

async function write(sourceTar: SourceTar, path: string, sealing: Sealing, signal: AbortSignal): Promise<void> {
  const { tar, done } = createCodeArchive(sourceTar);
  try {
    // A tar is packed as bytes; its type does not say so.
    await writeSealed(path, tar as AsyncIterable<Uint8Array>, sealing, signal);
  } catch (error) {
    tar.destroy();
    // A bad source looks to the file like a tar that broke off.
    await done;
    throw error;
  }
  await done;
}

async function unlessAbsent<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
