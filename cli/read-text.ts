/** Texts from files and stdin, never more of them than a bound. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { complain } from './errors.ts';
import { exitCodes } from './exit-codes.ts';
import { fileFault } from './source/file-fault.ts';

/** A UTF-8 file, or a pipe such as <(command). Throws CliError; `name` as the user wrote it. */
export async function readTextFile(
  diskPath: string,
  name: string,
  bytesMax: number,
  signal: AbortSignal,
): Promise<string> {
  const pieces: Buffer[] = [];
  const facts = await stat(diskPath).catch((error: unknown) => Promise.reject(fileFault(name, error)));
  if (!facts.isFile() && !facts.isFIFO()) {
    const what = facts.isDirectory() ? 'a folder' : 'neither a file nor a pipe';
    throw complain(exitCodes.failed, 'UNREADABLE_FILE', `${name} is ${what}.`, 'Name a plain text file.');
  }
  try {
    // One byte more shows that there is more.
    for await (const piece of createReadStream(diskPath, { signal, end: bytesMax })) pieces.push(piece);
  } catch (error) {
    signal.throwIfAborted();
    throw fileFault(name, error);
  }
  return decode(Buffer.concat(pieces), name, bytesMax);
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
