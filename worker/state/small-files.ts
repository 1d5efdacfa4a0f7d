/**
 * The small files that the worker must be able to write on a full disk: what it knows of each bot, and results that nobody has
 * acknowledged. While the disk is full, what finds no room is written to the spare, a file whose blocks were there before.
 *
 * 1. A write that has resolved is on disk: in its place, or in the spare.
 * 2. While anything is in the spare, all writes go there, so that what is in the spare is never older than what is in its place.
 * 3. The spare has two halves that are written in turn: one is always whole, whenever the process is killed.
 *
 * A file system that copies on write (btrfs, ZFS) may need room even for that; there, writes fail as they would without a spare.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { repeat } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { SerialQueue } from '#common/waiting/serial-queue.ts';
import { isNoRoom, readFileIfAny, writeFileAtomic } from './atomic-file.ts';

export interface SmallFiles {
  /** Replaces the file. Rejects when it is neither in its place nor in the spare; it is written later, all the same. */
  write(path: string, content: string | Uint8Array): Promise<void>;
  /** Without effect on a file that is not there. */
  remove(path: string): Promise<void>;
}

/** Without a spare. */
export const plainFiles: SmallFiles = {
  write: writeFileAtomic,
  remove: (path) => rm(path, { force: true }),
};

export interface SpareParts {
  /** The files and the spare are in it. */
  readonly dir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of one half. Default 1 MiB: some 500 records of bots. */
  readonly halfBytes?: number;
}

const usualHalfBytes = 1024 * 1024;
const againMs = 2000;
const mark = 'bot-runner spare 1\n';
/** The mark, a number that rises, the length of what follows, and its sha256. */
const headBytes = mark.length + 8 + 4 + 32;

export class SpareRoom implements SmallFiles {
  readonly #parts: SpareParts;
  readonly #halfBytes: number;
  readonly #files = new SerialQueue();
  /** What is not in its place, by path within the folder. */
  readonly #waiting = new Map<string, Uint8Array>();
  #spare: FileHandle | undefined;
  #turn = 0;
  #saidFull = false;
  #cancel = () => {};

  private constructor(parts: SpareParts) {
    this.#parts = parts;
    this.#halfBytes = parts.halfBytes ?? usualHalfBytes;
  }

  /** Puts what an earlier process has left in the spare in its place. Throws when there is no room for that. */
  static async open(parts: SpareParts): Promise<SpareRoom> {
    const room = new SpareRoom(parts);
    await room.#recover();
    room.#cancel = repeat(
      parts.clock,
      againMs,
      () => room.#files.run(() => room.#settle()),
      (error) => parts.logger.error({ err: error }, 'what waits for room on the disk could not be written'),
    );
    return room;
  }

  write(path: string, content: string | Uint8Array): Promise<void> {
    return this.#files.run(async () => {
      if (this.#waiting.size === 0) {
        try {
          return await writeFileAtomic(path, content);
        } catch (error) {
          if (!isNoRoom(error)) throw error;
          this.#sayFull(error);
        }
      }
      this.#waiting.set(this.#nameOf(path), Buffer.from(content));
      await this.#keep();
    });
  }

  remove(path: string): Promise<void> {
    return this.#files.run(async () => {
      if (this.#waiting.delete(this.#nameOf(path))) await this.#keep();
      await rm(path, { force: true });
    });
  }

  /** Waits for what is being written, and tries once more to put everything in its place. */
  async close(): Promise<void> {
    this.#cancel();
    await this.#files.run(async () => {
      await this.#settle();
      await this.#spare?.close();
      this.#spare = undefined;
    });
  }

  get #path(): string {
    return join(this.#parts.dir, 'spare');
  }

  #nameOf(path: string): string {
    return relative(this.#parts.dir, path);
  }

  #sayFull(error: unknown): void {
    if (this.#saidFull) return;
    this.#saidFull = true;
    this.#parts.logger.error({ err: error }, full);
  }

  async #recover(): Promise<void> {
    const kept = (await readFileIfAny(this.#path)) ?? Buffer.alloc(0);
    const half = Math.floor(kept.length / 2);
    const halves = [readHalf(kept.subarray(0, half)), readHalf(kept.subarray(half))];
    const newest = halves.reduce((a, b) => ((b?.turn ?? -1) > (a?.turn ?? -1) ? b : a), undefined);
    for (const [name, content] of newest?.files ?? []) await writeFileAtomic(join(this.#parts.dir, name), content);
    this.#turn = newest?.turn ?? 0;
    if (kept.length !== 2 * this.#halfBytes) await rm(this.#path, { force: true });
    await this.#settle();
    if ((newest?.files.size ?? 0) > 0) await this.#keep();
  }

  /** Puts everything in its place, and sees to it that there is a spare. What finds no room stays where it is. */
  async #settle(): Promise<void> {
    const hadAny = this.#waiting.size > 0;
    try {
      for (const [name, content] of [...this.#waiting]) {
        await writeFileAtomic(join(this.#parts.dir, name), content);
        this.#waiting.delete(name);
      }
      this.#spare ??= await makeSpare(this.#path, 2 * this.#halfBytes);
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      this.#sayFull(error);
      return;
    }
    // Before anything is written past the spare, which would otherwise bring back what was.
    if (hadAny) await this.#keep();
    if (!this.#saidFull) return;
    this.#saidFull = false;
    this.#parts.logger.info({}, 'the disk that holds DATA_DIR has room again');
  }

  /** Writes all that waits to the half of the spare that is not the newest. Throws when there is no spare, or it is too small. */
  async #keep(): Promise<void> {
    const body = encode(this.#waiting);
    const size = headBytes + body.length;
    if (this.#spare === undefined || size > this.#halfBytes) {
      throw Object.assign(new Error('the disk is full, and so is the spare of the worker'), { code: 'ENOSPC' });
    }
    const turn = this.#turn + 1;
    const head = Buffer.alloc(headBytes);
    head.write(mark);
    head.writeBigUInt64BE(BigInt(turn), mark.length);
    head.writeUInt32BE(body.length, mark.length + 8);
    createHash('sha256')
      .update(body)
      .digest()
      .copy(head, mark.length + 12);
    const bytes = Buffer.concat([head, body]);
    await this.#spare.write(bytes, 0, bytes.length, (turn % 2) * this.#halfBytes);
    await this.#spare.datasync();
    this.#turn = turn;
  }
}

const full =
  'the disk that holds DATA_DIR is full: what has to be remembered of bots is kept in the spare of the worker, and their output stays with the engine until there is room';

/** With all its blocks; a part of one is removed when there is no room for the rest. */
async function makeSpare(path: string, bytes: number): Promise<FileHandle> {
  // A spare of this size is whole: a shorter one was never kept.
  const kept = await stat(path).then(
    ({ size }) => size === bytes,
    () => false,
  );
  const file = await open(path, kept ? 'r+' : 'w', 0o600);
  if (kept) return file;
  try {
    await file.writeFile(Buffer.alloc(bytes));
    await file.datasync();
    return file;
  } catch (error) {
    await file.close();
    await rm(path, { force: true });
    throw error;
  }
}

/** Of each file the lengths of its name and of its content, then both. */
function encode(files: ReadonlyMap<string, Uint8Array>): Buffer {
  const pieces: Uint8Array[] = [];
  for (const [name, content] of files) {
    const bytes = Buffer.from(name);
    const lengths = Buffer.alloc(8);
    lengths.writeUInt32BE(bytes.length, 0);
    lengths.writeUInt32BE(content.length, 4);
    pieces.push(lengths, bytes, content);
  }
  return Buffer.concat(pieces);
}

/** Undefined for a half that was never written, or not to its end. */
function readHalf(half: Buffer): { readonly turn: number; readonly files: ReadonlyMap<string, Buffer> } | undefined {
  if (half.length < headBytes || half.toString('latin1', 0, mark.length) !== mark) return undefined;
  const length = half.readUInt32BE(mark.length + 8);
  const body = half.subarray(headBytes, headBytes + length);
  const hash = createHash('sha256').update(body).digest();
  if (body.length !== length || !hash.equals(half.subarray(mark.length + 12, headBytes))) return undefined;
  const files = new Map<string, Buffer>();
  for (let at = 0; at < body.length; ) {
    const [nameBytes, contentBytes] = [body.readUInt32BE(at), body.readUInt32BE(at + 4)];
    const name = body.toString('utf8', at + 8, at + 8 + nameBytes);
    at += 8 + nameBytes + contentBytes;
    files.set(name, body.subarray(at - contentBytes, at));
  }
  return { turn: Number(half.readBigUInt64BE(mark.length)), files };
}
