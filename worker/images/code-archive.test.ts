import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { createCodeArchive } from './code-archive.ts';

test('a source that is found to be bad before anybody reads its tar fails for the reader, too', async () => {
  const { tar, done } = createCodeArchive({ open: () => Readable.from([Buffer.from('not a tar'.repeat(1000))]) });
  await expect(done).rejects.toMatchObject({ problem: { code: 'INVALID_ARCHIVE' } });
  await expect(buffer(tar as AsyncIterable<Uint8Array>)).rejects.toThrow();
});
