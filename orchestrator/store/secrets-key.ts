/**
 * The key that seals secrets: SECRETS_KEY, or a file made once beside the store.
 *
 * 1. A key is made only for a store that has nothing sealed.
 * 2. The store knows its key by a keyed hash: with another one the orchestrator refuses to start, instead of showing every
 *    bot as damaged.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Secret } from '#common/secret.ts';
import { openStored } from './seal.ts';
import type { SealedSample, Store } from './store.ts';

class SecretsKeyError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SecretsKeyError';
  }
}

export interface KeySettings {
  /** The folder of the store and, without `secretsKey`, of the key file. */
  readonly dir: string;
  readonly secretsKey: Secret<Uint8Array> | undefined;
  /** The id that a refusal printed: the operator continues without the former key. */
  readonly acceptLostKey: string | undefined;
}

const keyBytes = 32;
const checkName = 'key_check';

const checkOf = (key: Secret<Uint8Array>): string =>
  createHmac('sha256', key.reveal()).update('bot runner: the key of this store').digest('hex');

const isSame = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

/** Throws SecretsKeyError, with the cure, when the key is not the one that the store's secrets were sealed with. */
export async function openSecretsKey(settings: KeySettings, store: Store): Promise<Secret<Uint8Array>> {
  const samples = await store.upkeep.sealedSamples();
  const check = await store.look([], (tx) => tx.meta.get(checkName));
  const path = join(settings.dir, 'secrets.key');
  const lossId = samples.length === 0 ? undefined : lossIdOf(check, samples);
  const mayBeLost = settings.acceptLostKey !== undefined && settings.acceptLostKey === lossId;
  const key = settings.secretsKey ?? readOrMakeKey(path, samples.length === 0 || mayBeLost);
  if (key !== undefined && (lossId === undefined || mayBeLost || fits(key, check, samples))) {
    const made = checkOf(key);
    // Nobody can open the sources any more; one that is uploaded again must not meet them.
    if (lossId !== undefined && !fits(key, check, samples)) await store.upkeep.dropSealedSources();
    await store.change([], (tx) => tx.meta.put(checkName, made));
    return key;
  }
  const where = settings.secretsKey ? 'SECRETS_KEY' : path;
  const what = key === undefined ? `${where} is missing or damaged` : `the key in ${where} is a different one`;
  throw new SecretsKeyError(
    `the store in ${settings.dir} has secrets and sources of bots that were sealed with a key, and ${what}.\n` +
      `Put the original key back: as ${path}, or as SECRETS_KEY if it was set. Nothing was changed.\n` +
      `If it is lost for good, start once with ACCEPT_LOST_KEY=${lossId}: running bots keep running, and each is shown as ` +
      'damaged until it is updated with its source and environment; stored sources are removed.',
  );
}

/** Names this very loss, so that a setting that was forgotten accepts no other one. */
const lossIdOf = (check: string | undefined, samples: readonly SealedSample[]): string => {
  const hash = createHash('sha256').update(check ?? '');
  if (check === undefined) for (const { sealed } of samples) hash.update(sealed);
  return hash.digest('hex').slice(0, 8);
};

/** A store of a release that kept no check is asked by what it has sealed. */
function fits(key: Secret<Uint8Array>, check: string | undefined, samples: readonly SealedSample[]): boolean {
  if (check !== undefined) return isSame(check, checkOf(key));
  return samples.some(({ boundTo, sealed }) => {
    try {
      openStored(key, sealed, boundTo);
      return true;
    } catch {
      // GCM says by throwing that the key is another one, or this row is damaged.
      return false;
    }
  });
}

/** Undefined when the file has no key and none may be made. */
function readOrMakeKey(path: string, mayMake: boolean): Secret<Uint8Array> | undefined {
  const kept = readIfAny(path);
  if (kept?.length === keyBytes) return new Secret<Uint8Array>(kept);
  if (!mayMake) return undefined;
  const key = randomBytes(keyBytes);
  // On disk, whole, before anything is sealed with it.
  const made = `${path}.new`;
  const file = openSync(made, 'w', 0o600);
  writeSync(file, key);
  fsyncSync(file);
  closeSync(file);
  if (kept !== undefined) renameSync(path, `${path}.damaged`);
  renameSync(made, path);
  const folder = openSync(join(path, '..'), 'r');
  fsyncSync(folder);
  closeSync(folder);
  return new Secret<Uint8Array>(key);
}

function readIfAny(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    if (error.code === 'ENOENT') return undefined;
    // If a folder is in its place, Node.js names no path.
    throw Object.assign(error, { path });
  }
}
