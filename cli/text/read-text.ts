/** Texts from files and stdin, never more of them than a bound. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { fileFault } from './file-fault.ts';

/** A UTF-8 file, or a pipe such as <(command). Throws CliError; `name` as the user wrote it. */
export async function readTextFile(
  diskPath: string,
  name: string,
  bytesMax: number,
  signal: AbortSignal,
): Promise<string> {
  return decode(await readBytes(diskPath, name, bytesMax, signal), name, bytesMax);
}

/** The same, whatever its letters mean; one byte more than `bytesMax` at most, which shows that there are more. */
export async function readBytes(
  diskPath: string,
  name: string,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const facts = await stat(diskPath).catch((error: unknown) => Promise.reject(fileFault(name, error)));
  if (!facts.isFile() && !facts.isFIFO()) {
    const what = facts.isDirectory() ? 'a folder' : 'neither a file nor a pipe';
    throw complain(exitCodes.failed, 'UNREADABLE_FILE', `${name} is ${what}.`, 'Name a plain text file.');
  }
  try {
    for await (const piece of createReadStream(diskPath, { signal, end: bytesMax })) pieces.push(piece);
  } catch (error) {
    signal.throwIfAborted();
    throw fileFault(name, error);
  }
  return Buffer.concat(pieces);
}

/** Throws CliError, which shows nothing of the text. */
export function decode(bytes: Buffer, name: string, bytesMax: number): string {
  const wrong = (fault: string) =>
    complain(exitCodes.failed, 'UNREADABLE_FILE', `${name} ${fault}.`, 'Name a plain text file.');
  if (bytes.byteLength > bytesMax) throw wrong(`is longer than ${bytesMax} bytes`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // The decoder says only that it failed.
    throw wrong('is not UTF-8 text');
  }
}
