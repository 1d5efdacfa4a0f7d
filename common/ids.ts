/** Ids of users, bots and workers: their grammar, and the names that the engine sees. */
import { createHash } from 'node:crypto';

export interface BotKey {
  readonly userId: string;
  readonly botId: string;
}

export const userIdPattern = /^[a-z0-9][a-z0-9_-]{0,31}$/;
export const botIdPattern = /^[a-zA-Z0-9_-]{1,64}$/;
/** Like a host name; not ".", ".." or a hidden file, since it stands in paths. */
export const workerIdPattern = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;
export const sha256Pattern = /^[0-9a-f]{64}$/;
export const ulidPattern = /^[0-9A-HJKMNP-TV-Z]{26}$/;

// `$` also matches before a final newline in some dialects, not in JavaScript without the m flag: "abc\n" is refused.
export const isBotId = (value: string): boolean => botIdPattern.test(value);

/** A key for Maps: neither id can hold a NUL or a slash. */
export const botKeyText = (key: BotKey): string => `${key.userId}/${key.botId}`;

const base32Alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** The first characters of base32(sha256(text)): for names that must be short and of letters and digits alone. */
export const shortHash = (text: string, length: number): string =>
  base32(createHash('sha256').update(text).digest()).slice(0, length);

/** RFC 4648 base32 without padding, lower case. */
function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      text += base32Alphabet[(value >>> (bits - 5)) & 31];
      bits -= 5;
    }
    value &= (1 << bits) - 1;
  }
  return bits > 0 ? text + base32Alphabet[(value << (5 - bits)) & 31] : text;
}

/**
 * The short hash of a bot: 16 characters of base32(sha256(user NUL bot)). Keeps names apart that read alike
 * (user a, bot b_c and user a_b, bot c; Bot and bot).
 */
export const botHash = ({ userId, botId }: BotKey): string => shortHash(`${userId}\0${botId}`, 16);

/** Container name: readable first, unique by its hash. */
export const containerName = (key: BotKey): string =>
  `bot_${key.userId.slice(0, 16)}_${key.botId.slice(0, 32)}_${botHash(key)}`;

export const imageRepository = (key: BotKey): string => `bot_image_${botHash(key)}`;
export const imageName = (key: BotKey, revision: bigint | number): string => `${imageRepository(key)}:g${revision}`;
export const volumeName = (key: BotKey): string => `bot_data_${botHash(key)}`;
/** The volume behind a path that the bot's image declares with VOLUME. */
export const imageVolumeName = (key: BotKey, path: string): string => `${volumeName(key)}_${shortHash(path, 16)}`;
