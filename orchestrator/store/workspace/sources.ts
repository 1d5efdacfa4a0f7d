/** Uploaded sources in memory: which there are and whose they are. Their bytes pass through: they are only written. */
import type { ArtifactTable } from '../tables.ts';
import { Groups } from './indexes.ts';
import type { Loading } from './loading.ts';
import { Rows } from './rows.ts';
import type { Undo } from './undo.ts';

/** Chunks are read back one by one. */
export const artifactChunkBytes = 256 * 1024;

export interface ArtifactRow {
  readonly sha256: string;
  readonly uploadId: string;
  readonly sizeBytes: number;
  readonly createdAt: number;
  readonly unneededAt: number | null;
  readonly findingsSealed: Uint8Array | null;
}

export interface OwnerRow {
  readonly userId: string;
  readonly sha256: string;
  readonly createdAt: number;
}

/** What a batch does to bytes, in this order. */
export type ChunkChange =
  /** `bytes` are sealed. */
  | { readonly kind: 'add'; readonly uploadId: string; readonly n: number; readonly bytes: Uint8Array }
  /** All chunks of an upload. */
  | { readonly kind: 'drop'; readonly uploadId: string };

export const ownerKey = ({ userId, sha256 }: Pick<OwnerRow, 'userId' | 'sha256'>): string => `${userId} ${sha256}`;

export function createSources(undo: Undo, loading: Loading, removed: (sha256: string) => void) {
  const ofArtifact = new Groups<OwnerRow>(({ sha256 }) => sha256);
  const artifacts = new Rows<ArtifactRow>({ name: 'artifacts', undo, loading });
  const owners = new Rows<OwnerRow>({ name: 'owners', undo, loading, indexes: { artifact: ofArtifact } });
  const chunks: ChunkChange[] = [];
  const note = (change: ChunkChange) => {
    chunks.push(change);
    undo.push(() => chunks.pop());
  };
  const setNeed = (sha256: string, unneededAt: number | null) => {
    const row = artifacts.get(sha256);
    if (row !== undefined && row.unneededAt !== unneededAt) artifacts.put(sha256, { ...row, unneededAt });
  };
  const table: ArtifactTable = {
    addChunk: (uploadId, n, sealed) => note({ kind: 'add', uploadId, n, bytes: sealed }),
    finish: (uploadId, sha256, sizeBytes, createdAt) => {
      if (artifacts.get(sha256) !== undefined) note({ kind: 'drop', uploadId });
      else artifacts.put(sha256, { sha256, uploadId, sizeBytes, createdAt, unneededAt: null, findingsSealed: null });
    },
    setFindings: (sha256, findingsSealed) => {
      const row = artifacts.get(sha256);
      if (row !== undefined) artifacts.put(sha256, { ...row, findingsSealed });
    },
    discardUpload: (uploadId) => note({ kind: 'drop', uploadId }),
    own: (userId, sha256, createdAt) => {
      const row = { userId, sha256, createdAt };
      if (owners.get(ownerKey(row)) === undefined) owners.put(ownerKey(row), row);
      setNeed(sha256, null);
    },
    touch: (sha256) => setNeed(sha256, null),
    setUnneeded: setNeed,
    isOwnedBy: (userId, sha256) => owners.get(ownerKey({ userId, sha256 })) !== undefined,
    ownersOf: (sha256) => [...ofArtifact.of(sha256).values()].map(({ userId }) => userId),
    get: (sha256) => artifacts.get(sha256),
    remove: (sha256) => {
      const row = artifacts.get(sha256);
      for (const key of [...ofArtifact.of(sha256).keys()]) owners.remove(key);
      artifacts.remove(sha256);
      removed(sha256);
      return row?.uploadId;
    },
  };
  return { artifacts, owners, chunks, table };
}
