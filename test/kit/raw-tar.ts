/** Tars for tests of their reader: as a packer writes them, and block by block as none does. */
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type Pack, pack } from 'tar-stream';
import { ProblemError } from '#common/problem.ts';
import { listSafeTar, readContextTar, type TarLimits } from '#common/safe-tar.ts';

export type Entries = (tar: Pack) => void;

export async function tarOf(entries: Entries): Promise<Buffer> {
  const tar = pack();
  entries(tar);
  tar.finalize();
  return buffer(tar);
}

/** A header block in the tar format, for what no packer writes. */
export function header(name: string, flag: string, sizeBytes = 0, change: (block: Buffer) => void = () => {}): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, 100);
  block.write('0000644\0', 100);
  block.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124);
  block.write(flag, 156);
  block.write('ustar\x0000', 257);
  change(block);
  block.write('        ', 148);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
const padded = (text: string) =>
  Buffer.concat([Buffer.from(text), Buffer.alloc((512 - (Buffer.byteLength(text) % 512)) % 512)]);
export const extra = (flag: string, text: string) =>
  Buffer.concat([header('x', flag, Buffer.byteLength(text)), padded(text)]);
export const record = (key: string, value: string): string => {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  // The length counts its own digits.
  const length = [1, 2, 3, 4, 5, 6].map((digits) => bytes + digits).find((all) => String(all).length === all - bytes);
  return `${length}${rest}`;
};
const end = Buffer.alloc(1024);
export const raw = (...blocks: Buffer[]) => Buffer.concat([...blocks, end]);

/** The bytes in pieces of odd size, as they may come from a socket or a disk. */
export const inPieces = (bytes: Buffer, size = 1000) =>
  Readable.from(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    ),
    { objectMode: false },
  );

export async function codeOf(reading: Promise<unknown>): Promise<string> {
  try {
    await reading;
  } catch (error) {
    if (error instanceof ProblemError) return error.problem.code;
    throw error;
  }
  return 'accepted';
}
export const refusalOf = (bytes: Buffer, limits?: TarLimits) => codeOf(listSafeTar(inPieces(bytes), limits));

export async function context(bytes: Buffer): Promise<string[]> {
  const seen: string[] = [];
  for await (const entry of readContextTar(inPieces(bytes))) {
    seen.push(entry.kind === 'link' ? `${entry.name} -> ${entry.target}` : entry.name);
  }
  return seen;
}
