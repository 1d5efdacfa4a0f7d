/**
 * The code of bots of simple mode, one tar for each image name, ready to be unpacked in a container of that image.
 *
 * 1. A file under its final name is whole, also after a power failure: it is on disk before it gets the name.
 * 2. An image whose code is missing here does not count: it is made again (images.ts).
 */
import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type BotKey, imageRepository } from '#common/ids.ts';
import { createCodeArchive } from '../../images/code-archive.ts';
import { isErrno } from '../../state/atomic-file.ts';

/** Code that is on disk and belongs to no image yet. */
export interface TakenCode {
  /** From now on it is the code of this image. */
  keepAs(image: string): Promise<void>;
  /** Without effect once it is kept. */
  drop(): Promise<void>;
}

export interface CodeStore {
  /** Re-packs a source. Throws the ProblemError of a bad one; then, and when it is aborted, nothing is left. */
  take(sourceTarPath: string, signal: AbortSignal): Promise<TakenCode>;
  has(image: string): Promise<boolean>;
  /** The tar; undefined when the image has no code here. */
  read(image: string): Promise<Readable | undefined>;
  remove(image: string): Promise<void>;
  /** Removes the code of the bot's images but those to keep. */
  removeAll(key: BotKey, keep: ReadonlySet<string>): Promise<void>;
}

const temporary = /\.part$/;

/** `dir` is made when it is needed; one process at a time uses it. */
export function createCodeStore(dir: string): CodeStore {
  // An image name has one colon, between repository and tag.
  const pathOf = (image: string) => join(dir, `${image.replace(':', '@')}.tar`);
  let opened: Promise<void> | undefined;
  const ready = () => {
    opened ??= openDir(dir).catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
  return {
    async take(sourceTarPath, signal) {
      await ready();
      const part = join(dir, `${randomBytes(12).toString('hex')}.part`);
      try {
        await write(sourceTarPath, part, signal);
      } catch (error) {
        await rm(part, { force: true });
        throw error;
      }
      return {
        keepAs: (image) => rename(part, pathOf(image)),
        drop: () => rm(part, { force: true }),
      };
    },
    async has(image) {
      return (await sizeOf(pathOf(image))) !== undefined;
    },
    async read(image) {
      const path = pathOf(image);
      return (await sizeOf(path)) === undefined ? undefined : createReadStream(path);
    },
    remove: (image) => rm(pathOf(image), { force: true }),
    async removeAll(key, keep) {
      await ready();
      const kept = new Set([...keep].map(pathOf));
      const prefix = `${imageRepository(key)}@`;
      for (const path of (await readdir(dir))
        .filter((name) => name.startsWith(prefix))
        .map((name) => join(dir, name))) {
        if (!kept.has(path)) await rm(path, { force: true });
      }
    },
  };
}

/** Makes the folder, and removes what a process that was killed has left half-written. */
async function openDir(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  for (const name of await readdir(dir)) if (temporary.test(name)) await rm(join(dir, name), { force: true });
}

async function write(sourceTarPath: string, path: string, signal: AbortSignal): Promise<void> {
  const { tar, done } = createCodeArchive(sourceTarPath);
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600 });
  try {
    // A streamx stream: Node's pipeline takes it, only its type is not Node's.
    await pipeline(tar as unknown as NodeJS.ReadableStream, file, { signal });
  } catch (error) {
    tar.destroy();
    // A bad source looks to the file like a tar that broke off.
    await done;
    throw error;
  }
  await done;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
