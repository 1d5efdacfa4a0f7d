/** Unpacks gzip while it comes, so that what is too much is noticed before more of it is unpacked. */

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

/** The pieces are not gzip, or end too early. */
export class NotGzipError extends Error {}

/** Throws NotGzipError, and what the pieces throw. */
export async function* unpacked(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  const source = Readable.from(pieces);
  const piped = pipeline(source, gunzip).then(
    () => undefined,
    (error: unknown) => error,
  );
  let whole = false;
  try {
    for await (const piece of gunzip) yield piece as Uint8Array; // without an encoding it gives Buffers
    whole = true;
  } catch (error) {
    const cause = (await piped) ?? error;
    throw isZlib(cause) ? new NotGzipError('not gzip', { cause }) : cause;
  } finally {
    if (!whole) source.destroy();
  }
}

/** https://nodejs.org/api/errors.html, Z_DATA_ERROR and its like. */
const isZlib = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /^(Z_|ERR_BUFFER)/.test(String(error.code));
