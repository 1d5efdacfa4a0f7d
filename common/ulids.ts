/** ULIDs whose random bytes are drawn in blocks: one system call for 512 ids instead of sixteen for each. */
import { randomFillSync } from 'node:crypto';
import { ulid } from 'ulid';

const randomCharacters = 16;
const idsOfBlock = 512;

/** A function that makes an id of a time in ms since 1970. Ids of one millisecond are in no order. */
export function createUlids(): (wallMs: number) => string {
  const block = new Uint8Array(randomCharacters * idsOfBlock);
  let used = block.length;
  const draw = (): number => {
    if (used === block.length) {
      randomFillSync(block);
      used = 0;
    }
    // The library takes five of its bits: 256 is a multiple of 32, so that all characters are equally likely.
    return (block[used++] ?? 0) / 256;
  };
  return (wallMs) => ulid(wallMs, draw);
}
