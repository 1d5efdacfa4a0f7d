/**
 * For a program that its image would run as root and that runs as another user: makes the folders it works in that user's own, without
 * running anything. What is in them is read out of the created container and put back under its new owner, within bounds.
 */
import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { type Header, pack } from 'tar-stream';
import type { EngineClient } from '../engine-client.ts';
import type { FolderOwner } from '../hand-over.ts';
import { readArchive } from '../read-archive.ts';

export interface WorkFolderDeps {
  readonly engine: EngineClient;
  /** A folder for files that are gone when this is done; made when needed. Its files *.part are removed when the worker starts. */
  readonly spoolDir: string;
  /** Of all the folders of a container together; default 200 MiB and 20,000. */
  readonly most?: { readonly bytes: number; readonly entries: number };
}

export interface GivenFolder {
  readonly path: string;
  /** `whole`: with all that is in it. `folder`: there is too much in it. `not`: it is the root folder, a link, or not there. */
  readonly given: 'whole' | 'folder' | 'not';
}

/** As much as the source of a bot may be, and twice as many files. */
const usualMost = { bytes: 200 * 1024 * 1024, entries: 20_000 };

/** `paths` are absolute, and looked at one after the other; one within another is part of that. */
export async function giveFolders(
  deps: WorkFolderDeps,
  id: string,
  paths: readonly string[],
  owner: FolderOwner,
  signal: AbortSignal,
): Promise<readonly GivenFolder[]> {
  const folders = [...new Set(paths.map((path) => posix.resolve('/', path)))];
  const outer = folders.filter((path) => !folders.some((other) => other !== path && path.startsWith(`${other}/`)));
  const left = { ...(deps.most ?? usualMost) };
  const given: GivenFolder[] = [];
  // The engine cannot put the root folder itself into a container, and most of what is in it is the system.
  for (const path of outer) {
    given.push({ path, given: path === '/' ? 'not' : await giveOne(deps, id, path, owner, left, signal) });
  }
  return given;
}

async function giveOne(
  { engine, spoolDir }: WorkFolderDeps,
  id: string,
  path: string,
  owner: FolderOwner,
  left: { bytes: number; entries: number },
  signal: AbortSignal,
): Promise<GivenFolder['given']> {
  await mkdir(spoolDir, { recursive: true, mode: 0o700 });
  const file = join(spoolDir, `${randomBytes(12).toString('hex')}.part`);
  try {
    const top = await spool(engine, id, path, file, owner, left, signal);
    if (top === undefined) return 'not';
    const query = { path: posix.dirname(path) };
    const upload = top.isWhole ? createReadStream(file) : headerOnly(top.header, owner);
    try {
      await buffer(await engine.stream({ method: 'PUT', path: `/containers/${id}/archive`, query, upload }, signal));
    } finally {
      upload.destroy();
    }
    return top.isWhole ? 'whole' : 'folder';
  } finally {
    await rm(file, { force: true });
  }
}

interface Top {
  readonly header: Header;
  readonly isWhole: boolean;
}

/**
 * The folder as a tar under its new owner. The engine holds a container while it reads from it, so that what is read cannot be put back
 * at the same time. Undefined for what is no folder.
 */
async function spool(
  engine: EngineClient,
  id: string,
  path: string,
  file: string,
  owner: FolderOwner,
  left: { bytes: number; entries: number },
  signal: AbortSignal,
): Promise<Top | undefined> {
  const tar = pack();
  let top: Header | undefined;
  let isWhole = true;
  const failed = new AbortController();
  const givenUp = AbortSignal.any([signal, failed.signal]);
  const out = createWriteStream(file, { flags: 'wx', mode: 0o600 });
  const writing = pipeline(tar as unknown as NodeJS.ReadableStream, out, { signal });
  // A pack whose reader is gone leaves a write to it hanging.
  writing.catch((error: unknown) => failed.abort(error));
  try {
    await readArchive(engine, id, path, signal, async (header, content) => {
      if (top === undefined) {
        if (header.type !== 'directory') return false;
        top = header;
      }
      left.entries -= 1;
      left.bytes -= header.size ?? 0;
      isWhole = left.entries >= 0 && left.bytes >= 0;
      if (!isWhole) return false;
      const entry = tar.entry({ ...header, uid: owner.uid, gid: owner.gid, uname: '', gname: '' });
      // A streamx stream: Node's pipeline takes it, only its type is not Node's.
      if (header.type === 'file')
        await pipeline(content, entry as unknown as NodeJS.WritableStream, { signal: givenUp });
      return true;
    });
    tar.finalize();
    await writing;
  } catch (error) {
    tar.destroy();
    await writing.catch(() => {});
    throw error;
  }
  return top && { header: top, isWhole };
}

function headerOnly(header: Header, owner: FolderOwner): Readable {
  const tar = pack();
  tar.entry({ ...header, size: 0, uid: owner.uid, gid: owner.gid, uname: '', gname: '' });
  tar.finalize();
  return Readable.from(tar);
}
