/**
 * The fixture as one file: a tar in brotli, whose window is wide enough for what a write-ahead log repeats; gzip's is not, and
 * makes it six times as large.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, mkdirSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliCompress, createBrotliDecompress } from 'node:zlib';

async function tar(
  args: readonly string[],
  through: (child: ReturnType<typeof start>) => Promise<void>,
): Promise<void> {
  const child = start(args);
  const closed = once(child, 'close');
  await through(child);
  const [code] = await closed;
  if (code !== 0) throw new Error(`tar ended with code ${code}`);
}

const start = (args: readonly string[]) => spawn('tar', args, { stdio: ['pipe', 'pipe', 'inherit'] });

export async function packFolder(folder: string, archive: string): Promise<void> {
  const brotli = createBrotliCompress({ params: { [constants.BROTLI_PARAM_LGWIN]: 24 } });
  await tar(['-c', '-C', folder, '.'], async ({ stdin, stdout }) => {
    stdin.end();
    await pipeline(stdout, brotli, createWriteStream(archive));
  });
}

export async function unpackFolder(archive: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await tar(['-x', '--no-same-owner', '-C', folder], async ({ stdin, stdout }) => {
    stdout.resume();
    await pipeline(createReadStream(archive), createBrotliDecompress(), stdin);
  });
}
