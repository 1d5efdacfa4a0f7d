import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Secret } from '#common/secret.ts';
import { createSealedWriter, openedBytes, openSealed } from './sealed-file.ts';

const chunk = 64 * 1024;
const sealing = { key: new Secret<Uint8Array>(new Uint8Array(32).fill(1)), boundTo: 'a' };
let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sealed-'));
  path = join(dir, 'file');
});
afterEach(() => rm(dir, { recursive: true }));

async function seal(bytes: Uint8Array, pieceBytes = bytes.length || 1): Promise<void> {
  const writer = createSealedWriter(sealing);
  let file = await open(path, 'w', 0o600);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    await writer.write(file, bytes.subarray(at, at + pieceBytes));
    // As after a connection that broke.
    await file.close();
    file = await open(path, 'r+');
  }
  await writer.end(file);
  await file.close();
}
const read = (other = sealing) => buffer(openSealed(path, other));

it.each([0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 200_001])('gives %i bytes back as they were', async (size) => {
  const bytes = randomBytes(size);
  for (const pieceBytes of [size || 1, 50_000]) {
    await seal(bytes, pieceBytes);
    expect((await read()).equals(bytes)).toBe(true);
    const sealed = await readFile(path);
    expect(openedBytes(sealed.length)).toBe(size);
    if (size > 100) expect(sealed.includes(bytes.subarray(10, 30))).toBe(false);
  }
});

it('is opened neither with another key nor for something else', async () => {
  await seal(Buffer.from('text'));
  await expect(read({ ...sealing, boundTo: 'b' })).rejects.toThrow('cannot be opened');
  await expect(read({ ...sealing, key: new Secret(new Uint8Array(32)) })).rejects.toThrow('cannot be opened');
  await writeFile(path, 'plain text that is long enough');
  await expect(read()).rejects.toThrow('is not a sealed file');
});

it('that was cut, also between two chunks, changed or put together anew is noticed', async () => {
  await seal(randomBytes(3 * chunk));
  const sealed = await readFile(path);
  const record = chunk + 16;
  const head = sealed.length - 3 * record;
  for (const size of [head, head + 1, head + record, head + 2 * record, sealed.length - 1]) {
    await writeFile(path, sealed);
    await truncate(path, size);
    await expect(read(), String(size)).rejects.toThrow('cannot be opened');
  }
  const part = (n: number) => sealed.subarray(head + n * record, head + (n + 1) * record);
  await writeFile(path, Buffer.concat([sealed.subarray(0, head), part(1), part(0), part(2)]));
  await expect(read()).rejects.toThrow('cannot be opened');
  await writeFile(path, Buffer.concat([sealed, part(2)]));
  await expect(read()).rejects.toThrow('cannot be opened');
  const changed = Buffer.from(sealed);
  changed[head + 100] = (changed[head + 100] ?? 0) ^ 1;
  await writeFile(path, changed);
  await expect(read()).rejects.toThrow('cannot be opened');
});
