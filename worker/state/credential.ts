/**
 * The worker's credential: what it proves with that it is this worker. It makes it itself and writes it to its disk before it
 * sends the orchestrator the sha256, so that no crash leaves an id with a credential that nobody has.
 */
import { createHash, randomBytes } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import { Secret } from '#common/secret.ts';
import { readFileIfAny, writeFileAtomic } from './atomic-file.ts';

export interface Credential {
  readonly value: Secret;
  /** What is sent to the orchestrator, which keeps it. */
  readonly sha256: string;
  /** True if it was made just now: no orchestrator knows it yet. */
  readonly isNew: boolean;
}

/** The file's credential; a new one if there is none, or if it was made for another worker id. Mode 0600. */
export async function readOrMakeCredential(path: string, workerId: string): Promise<Credential> {
  const [keptId, kept = ''] = ((await readFileIfAny(path))?.toString().trim() ?? '').split(' ');
  const isNew = keptId !== workerId || !/^[A-Za-z0-9_-]{43}$/.test(kept);
  const value = isNew ? randomBytes(32).toString('base64url') : kept;
  if (isNew) await writeFileAtomic(path, `${workerId} ${value}\n`);
  else await chmod(path, 0o600);
  return { value: new Secret(value), sha256: createHash('sha256').update(value).digest('hex'), isNew };
}
