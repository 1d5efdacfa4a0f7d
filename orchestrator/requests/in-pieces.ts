/** Bytes that are here at once, as they would come over a connection: other requests, and timers, get their turn between two pieces. */
import { nextTurn } from '#common/background.ts';

const pieceBytes = 64 * 1024;

export async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    if (at > 0) await nextTurn();
    yield bytes.subarray(at, at + pieceBytes);
  }
}
