/** The worker's own folder, DATA_DIR/worker: its id, its key, and what must outlive a restart. One worker per folder. */
import { hkdfSync, randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { workerIdPattern } from '#common/ids.ts';
import { Secret } from '#common/secret.ts';
import { readFileIfAny, removeTemporaryFiles, writeFileAtomic } from './atomic-file.ts';
import { type Credential, readOrMakeCredential } from './credential.ts';
import { takeLock } from './lock-file.ts';
import { openPrivateImages, type PrivateImages } from './private-images.ts';
import { openStoreHistory, type StoreHistory } from './store-history.ts';
import { openTakenContainers, type TakenContainers } from './taken-containers.ts';

export interface StateDir {
  readonly workerId: string;
  /** True if WORKER_ID asks for another id than this folder had: bots of the old id are not seen any more. */
  readonly previousWorkerId: string | undefined;
  /** Proves to an orchestrator that this is this worker. */
  readonly credential: Credential;
  /** Signs the labels of containers. */
  readonly labelKey: Secret<Uint8Array>;
  /** Seals what is secret in the worker's files. */
  readonly sealKey: Secret<Uint8Array>;
  /** One file for each bot. */
  readonly botsDir: string;
  readonly logsDir: string;
  readonly artifactsDir: string;
  readonly resultsDir: string;
  /** The file that names the store. */
  readonly storeIdPath: string;
  readonly history: StoreHistory;
  /** The orchestrator's store that the bots here belong to; undefined until the first session. */
  storeId(): string | undefined;
  /** From now on the bots here belong to this store. */
  rememberStore(storeId: string): Promise<void>;
  /** Containers that an operator gave to this worker. */
  readonly taken: TakenContainers;
  /** Images that were pulled with a login. */
  readonly privateImages: PrivateImages;
  /** Gives the lock back. */
  close(): Promise<void>;
}

/** The folder holds something that this program did not write. The message says what to do. */
class StateDirError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'StateDirError';
  }
}

/** Makes what is missing. Throws StateDirError, and LockHeldError when another worker uses the folder. */
export async function openStateDir(dir: string, wantedWorkerId: string | undefined): Promise<StateDir> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  // The folder may have been there before with wider rights.
  await chmod(dir, 0o700);
  const release = await takeLock(join(dir, 'lock'));
  try {
    const path = (name: string) => join(dir, name);
    const names = ['bots', 'logs', 'artifacts', 'results'];
    await Promise.all(names.map((name) => mkdir(path(name), { recursive: true, mode: 0o700 })));
    // What a process that was killed was writing.
    for (const folder of [dir, path('bots'), path('results')]) await removeTemporaryFiles(folder);
    const keptId = await readWorkerId(path('worker-id'));
    const workerId = wantedWorkerId ?? keptId ?? newWorkerId();
    if (workerId !== keptId) await writeFileAtomic(path('worker-id'), `${workerId}\n`);
    const key = await readOrMakeKey(path('key'));
    const credential = await readOrMakeCredential(path('credential'), workerId);
    let storeId = (await readFileIfAny(path('store-id')))?.toString().trim();
    const taken = await openTakenContainers(path('taken.json'), workerId);
    const derived = (purpose: string) => new Secret(new Uint8Array(hkdfSync('sha256', key, '', purpose, 32)));
    return {
      workerId,
      previousWorkerId: keptId !== undefined && keptId !== workerId ? keptId : undefined,
      credential,
      labelKey: derived('labels'),
      sealKey: derived('seal'),
      botsDir: path('bots'),
      logsDir: path('logs'),
      artifactsDir: path('artifacts'),
      resultsDir: path('results'),
      storeIdPath: path('store-id'),
      history: await openStoreHistory(path('store-history')),
      storeId: () => storeId,
      async rememberStore(newId) {
        if (newId === storeId) return;
        storeId = newId;
        await writeFileAtomic(path('store-id'), `${newId}\n`);
      },
      taken,
      privateImages: await openPrivateImages(path('private-images.json'), () => pulledBefore(path('bots'))),
      close: release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/**
 * What earlier versions pulled for the bots of this folder, which did not keep whether a login was needed: it counts as if it was, until a
 * registry gives it out without one. A damaged file of a bot is not for here to say.
 */
async function pulledBefore(botsDir: string): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const name of await readdir(botsDir)) {
    const text = name.endsWith('.json') ? (await readFileIfAny(join(botsDir, name)))?.toString() : undefined;
    const user = /"userId":"([A-Za-z0-9_-]+)"/.exec(text ?? '')?.[1];
    if (text === undefined || user === undefined) continue;
    for (const [, image = ''] of text.matchAll(/"pinned":"([^"\\\\@]+@sha256:[0-9a-f]{64})"/g)) {
      found[image] = [...new Set([...(found[image] ?? []), user])];
    }
  }
  return found;
}

async function readWorkerId(path: string): Promise<string | undefined> {
  const kept = (await readFileIfAny(path))?.toString().trim();
  if (kept === undefined) return undefined;
  if (!workerIdPattern.test(kept))
    throw new StateDirError(`${path} contains no worker id; write one into it, or remove the file`);
  return kept;
}

/** Readable first, and unlike another host of the same name. */
function newWorkerId(): string {
  const host =
    hostname()
      .split('.')[0]
      ?.replace(/[^A-Za-z0-9_-]/g, '-')
      .slice(0, 48) || 'worker';
  return `${host}-${randomBytes(3).toString('hex')}`;
}

async function readOrMakeKey(path: string): Promise<Uint8Array> {
  const kept = await readFileIfAny(path);
  if (kept?.length === 32) {
    await chmod(path, 0o600);
    return kept;
  }
  // A wrong length must not be replaced: with a new key this worker would no longer know its own containers.
  if (kept)
    throw new StateDirError(`${path} is damaged: restore its 32 bytes, or remove it and the containers of this worker`);
  const key = randomBytes(32);
  await writeFileAtomic(path, key);
  return key;
}
