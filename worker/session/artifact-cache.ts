/**
 * Sources of bots, fetched once and kept by their sha256, sealed, bounded in size. A file under its final name is whole and checked.
 * What a broken connection has left of one is kept for the next try, which continues there.
 */

import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceError } from '@grpc/grpc-js';
import { inBackground } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import { sha256Pattern } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import { ProblemError, problem } from '#common/problem.ts';
import type { Secret } from '#common/secret.ts';
import { orAbort } from '#common/waiting/abort.ts';
import { TimeLimitError, withTimeLimit } from '#common/waiting/time-limit.ts';
import { TransientError } from '#common/waiting/transient.ts';
import type { FetchArtifactResponse } from '#gen/botrunner/v1/worker_service_pb.js';
import type { Artifacts } from '../bots/image-preparation.ts';
import { isErrno, isNoRoom } from '../state/atomic-file.ts';
import {
  createSealedWriter,
  isSealedFile,
  openKept,
  SealedFileError,
  type SealedWriter,
  type Sealing,
  sealInPlace,
} from '../state/sealed-file.ts';
import type { SourceTar } from '../state/source-tar.ts';
import { type ArtifactCall, type Channel, status } from './channel.ts';

const artifactMaxBytes = 256 * 1024 * 1024;
const idleLimitMs = 30_000;
export const defaultCacheMaxBytes = 2 * 1024 ** 3;
/** Each download looks at all of them. */
const defaultCacheMaxFiles = 2000;

export interface ArtifactParts {
  readonly dir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sealKey: Secret<Uint8Array>;
  readonly cacheMaxBytes: number;
  /** Default 2000. */
  readonly cacheMaxFiles?: number;
  /** The way to the orchestrator; undefined while there is no session. */
  channel(): Channel | undefined;
}

/** What has arrived of an artifact: its first bytes, in a file of that name with the end ".part". */
interface Part {
  hash: Hash;
  writer: SealedWriter;
}

/** So many are kept that were cut; one more drops the oldest. */
const partsMax = 4;

interface Download {
  readonly done: Promise<void>;
  readonly abort: AbortController;
  waiters: number;
}

export class ArtifactCache implements Artifacts {
  readonly #parts: ArtifactParts;
  readonly #downloads = new Map<string, Download>();
  /** Cut off, the oldest first. */
  readonly #cut = new Map<string, Part>();
  /** How many builds read a file now: it must stay. */
  readonly #pinned = new Map<string, number>();

  private constructor(parts: ArtifactParts) {
    this.#parts = parts;
  }

  /** Removes what an earlier process left half-done. */
  static async open(parts: ArtifactParts): Promise<ArtifactCache> {
    await mkdir(parts.dir, { recursive: true, mode: 0o700 });
    for (const name of await readdir(parts.dir)) {
      if (!isArtifactName(name)) await rm(join(parts.dir, name), { force: true });
    }
    const cache = new ArtifactCache(parts);
    inBackground(cache.#sealFormer(), (error) => {
      parts.logger.warn({ err: error }, 'sources of an earlier version could not be sealed; they are read as they are');
    });
    return cache;
  }

  async fetch(sha256: string, signal: AbortSignal): Promise<{ readonly tar: SourceTar; release(): void }> {
    if (!sha256Pattern.test(sha256)) throw new Error('not a sha256');
    const path = this.#pathOf(sha256);
    this.#pin(sha256, 1);
    try {
      if (!(await exists(path))) await this.#download(sha256, signal);
      const now = new Date(this.#parts.clock.wallMs());
      await utimes(path, now, now);
    } catch (error) {
      this.#pin(sha256, -1);
      throw error;
    }
    let held = true;
    let isDamaged = false;
    return {
      tar: this.#tarOf(sha256, () => {
        isDamaged = true;
      }),
      release: () => {
        if (held) this.#pin(sha256, -1);
        // It is fetched again.
        if (held && isDamaged) inBackground(rm(path, { force: true }), () => undefined);
        held = false;
      },
    };
  }

  #tarOf(sha256: string, damaged: () => void): SourceTar {
    const open = () =>
      openKept(this.#pathOf(sha256), this.#sealing(sha256)).once('error', (error) => {
        // A reader that gives up is no fault of the file.
        if (error instanceof SealedFileError) damaged();
      });
    return { open };
  }

  #sealing(sha256: string): Sealing {
    return { key: this.#parts.sealKey, boundTo: `source ${sha256}` };
  }

  /** Seals what a version has left that did not seal it. */
  async #sealFormer(): Promise<void> {
    for (const name of await readdir(this.#parts.dir)) {
      const sha256 = name.slice(0, 64);
      const path = this.#pathOf(sha256);
      if (!isArtifactName(name) || (await isSealedFile(path))) continue;
      await sealInPlace(path, `${path}.sealing`, this.#sealing(sha256));
    }
  }

  /** Joins the download of this artifact, or begins it. It is broken off when nobody waits for it any more. */
  async #download(sha256: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    let download = this.#downloads.get(sha256);
    if (!download) {
      const abort = new AbortController();
      const done = this.#fetchFile(sha256, abort.signal).finally(() => this.#downloads.delete(sha256));
      download = { done, abort, waiters: 0 };
      this.#downloads.set(sha256, download);
    }
    download.waiters += 1;
    const mine = download;
    try {
      await orAbort(signal, mine.done);
    } finally {
      mine.waiters -= 1;
      if (mine.waiters === 0) mine.abort.abort(new Error('nobody is waiting for the artifact any more'));
    }
  }

  async #fetchFile(sha256: string, signal: AbortSignal): Promise<void> {
    const channel = this.#parts.channel();
    if (!channel) throw new TransientError('the orchestrator is not connected');
    const before = this.#cut.get(sha256);
    this.#cut.delete(sha256);
    const part = before ?? this.#newPart(sha256);
    try {
      await this.#makeRoom();
      const file = await open(partOf(this.#pathOf(sha256)), before === undefined ? 'w' : 'r+', 0o600);
      try {
        await this.#receive(channel, sha256, part, file, signal);
        await part.writer.end(file);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      if (error instanceof CutOffError && part.writer.bytes > 0) await this.#keep(sha256, part);
      else await rm(partOf(this.#pathOf(sha256)), { force: true });
      throw isNoRoom(error) ? await this.#afterFullDisk(error) : error;
    }
    await rename(partOf(this.#pathOf(sha256)), this.#pathOf(sha256));
    await this.#makeRoom();
  }

  /** A full disk: all that nobody reads makes room for the next try. Returns what this one ends with. */
  async #afterFullDisk(cause: unknown): Promise<TransientError> {
    for (const sha256 of [...this.#cut.keys()]) await this.#forgetCut(sha256);
    const freed = await this.#makeRoom(0);
    const what = 'the disk of the worker is full: there is no room for the source of the bot';
    return new TransientError(freed > 0 ? `${what}, and older ones were removed to make some` : what, { cause });
  }

  #newPart(sha256: string): Part {
    return { hash: createHash('sha256'), writer: createSealedWriter(this.#sealing(sha256)) };
  }

  async #keep(sha256: string, part: Part): Promise<void> {
    this.#cut.set(sha256, part);
    const [oldest] = this.#cut.keys();
    if (this.#cut.size <= partsMax || oldest === undefined) return;
    await this.#forgetCut(oldest);
  }

  async #forgetCut(sha256: string): Promise<void> {
    this.#cut.delete(sha256);
    await rm(partOf(this.#pathOf(sha256)), { force: true });
  }

  async #receive(channel: Channel, sha256: string, part: Part, file: FileHandle, signal: AbortSignal): Promise<void> {
    const call = openCall(channel, sha256, part.writer.bytes);
    const chunks: AsyncIterator<FetchArtifactResponse> = call[Symbol.asyncIterator]();
    let isFirst = true;
    try {
      for (;;) {
        const next = await withTimeLimit(this.#parts.clock, 'fetching the source', idleLimitMs, signal, () =>
          chunks.next(),
        );
        if (next.done) break;
        const { chunk, offset } = next.value;
        // An orchestrator that knows no offset begins at the start.
        if (isFirst && offset === 0n) {
          await file.truncate(0);
          Object.assign(part, this.#newPart(sha256));
        }
        isFirst = false;
        if (part.writer.bytes + chunk.length > artifactMaxBytes) {
          throw new ProblemError(problem('ARCHIVE_TOO_LARGE', 'The source of the bot is larger than allowed.'));
        }
        await part.writer.write(file, chunk);
        part.hash.update(chunk);
      }
    } catch (error) {
      throw explain(error);
    } finally {
      // Ends the call if it has not; its stream then fails, which is what we asked for.
      call.on('error', () => undefined);
      call.cancel();
    }
    if (part.hash.digest('hex') !== sha256) throw new TransientError('the source of the bot arrived damaged');
  }

  /** Drops what was used longest ago until the rest is within bounds, but nothing that is read now. Returns the bytes that went. */
  async #makeRoom(mostBytes = this.#parts.cacheMaxBytes): Promise<number> {
    const files: { name: string; size: number; mtimeMs: number }[] = [];
    let total = 0;
    for (const name of await readdir(this.#parts.dir)) {
      // Another one may be removed at this very moment.
      const found = await stat(join(this.#parts.dir, name)).catch((error: unknown) => {
        if (isErrno(error, 'ENOENT')) return undefined;
        throw error;
      });
      if (found === undefined) continue;
      // What has arrived of others counts, too.
      total += found.size;
      if (isArtifactName(name)) files.push({ name, size: found.size, mtimeMs: found.mtimeMs });
    }
    const before = total;
    let surplus = files.length - (this.#parts.cacheMaxFiles ?? defaultCacheMaxFiles);
    for (const { name, size } of files.sort((a, b) => a.mtimeMs - b.mtimeMs)) {
      if (total <= mostBytes && surplus <= 0) break;
      if (this.#pinned.has(name.slice(0, 64))) continue;
      await rm(join(this.#parts.dir, name), { force: true });
      total -= size;
      surplus -= 1;
    }
    return before - total;
  }

  #pin(sha256: string, by: 1 | -1): void {
    const count = (this.#pinned.get(sha256) ?? 0) + by;
    if (count > 0) this.#pinned.set(sha256, count);
    else this.#pinned.delete(sha256);
  }

  #pathOf(sha256: string): string {
    return join(this.#parts.dir, `${sha256}.tar`);
  }
}

const partOf = (path: string): string => `${path}.part`;

/** The connection broke, or was silent for too long: what has arrived is right. */
class CutOffError extends TransientError {}

const isArtifactName = (name: string): boolean => /^[0-9a-f]{64}\.tar$/.test(name);

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** A session may end between the look at it and the call; then its channel throws. */
function openCall(channel: Channel, sha256: string, offset: number): ArtifactCall {
  try {
    return channel.fetchArtifact(sha256, offset);
  } catch (error) {
    throw new CutOffError('the connection to the orchestrator was lost', { cause: error });
  }
}

function explain(error: unknown): unknown {
  if (error instanceof TimeLimitError) return new CutOffError(error.message, { cause: error });
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') return error;
  const { code, details } = error as ServiceError;
  if (code === status.NOT_FOUND) {
    return new ProblemError(problem('ARTIFACT_NOT_FOUND', 'The orchestrator does not have the source of the bot.'), {
      cause: error,
    });
  }
  // Whatever else ended the call: the orchestrator has the source, and will be there again.
  return new CutOffError(`the source of the bot could not be fetched: ${details}`, { cause: error });
}
