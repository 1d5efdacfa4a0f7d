/**
 * Uploaded sources in memory: which there are, whose they are, and how much each user has. Their bytes pass through: they are only written.
 *
 * Invariant: what a user has (`holdings`) is the sum of the sizes of all sources that the user owns, each counted in full for each owner,
 * whoever uploaded it first.
 */
import type { SourceOwner, SourceUpload } from '../../core/records.ts';
import type { ArtifactTable } from '../tables.ts';
import { Groups, Totals } from './indexes.ts';
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
  readonly findingsSealed: Uint8Array | null;
}

export interface HoldingsRow {
  readonly userId: string;
  readonly sources: number;
  readonly sourceBytes: number;
}

/** What a batch does to bytes. */
export interface ChunkChange {
  readonly uploadId: string;
  readonly n: number;
  /** Sealed. */
  readonly bytes: Uint8Array;
}

export const ownerKey = ({ userId, sha256 }: Pick<SourceOwner, 'userId' | 'sha256'>): string => `${userId} ${sha256}`;

export function createSources(undo: Undo, loading: Loading, removed: (sha256: string) => void) {
  const ofArtifact = new Groups<SourceOwner>(({ sha256 }) => sha256);
  const ofUploader = new Totals<SourceUpload>(({ userId, sizeBytes }) => [userId, sizeBytes]);
  const artifacts = new Rows<ArtifactRow>({ name: 'artifacts', undo, loading });
  const owners = new Rows<SourceOwner>({ name: 'owners', undo, loading, indexes: { artifact: ofArtifact } });
  const uploads = new Rows<SourceUpload>({ name: 'uploads', undo, loading, indexes: { user: ofUploader } });
  const holdings = new Rows<HoldingsRow>({ name: 'holdings', undo, loading });
  const chunks: ChunkChange[] = [];
  const addChunk = (uploadId: string, n: number, bytes: Uint8Array) => {
    chunks.push({ uploadId, n, bytes });
    undo.push(() => chunks.pop());
  };
  const setNeed = (userId: string, sha256: string, unneededAt: number | null) => {
    const row = owners.get(ownerKey({ userId, sha256 }));
    if (row !== undefined && row.unneededAt !== unneededAt) owners.put(ownerKey(row), { ...row, unneededAt });
  };
  const heldBy = (userId: string): HoldingsRow => holdings.get(userId) ?? { userId, sources: 0, sourceBytes: 0 };
  const hold = (userId: string, sources: 1 | -1, bytes: number) => {
    const before = heldBy(userId);
    const after = { userId, sources: before.sources + sources, sourceBytes: before.sourceBytes + sources * bytes };
    if (after.sources === 0) holdings.remove(userId);
    else holdings.put(userId, after);
  };
  const table: ArtifactTable = {
    addChunk,
    growUpload: ({ uploadId, userId, createdAt }, n, bytes) => {
      const before = uploads.get(uploadId);
      uploads.put(uploadId, { uploadId, userId, createdAt, sizeBytes: (before?.sizeBytes ?? 0) + bytes.length });
      addChunk(uploadId, n, bytes);
    },
    finish: (uploadId, sha256, sizeBytes, createdAt) => {
      uploads.remove(uploadId);
      if (artifacts.get(sha256) !== undefined) return false;
      artifacts.put(sha256, { sha256, uploadId, sizeBytes, createdAt, findingsSealed: null });
      return true;
    },
    uploadIds: () => [...uploads.values()].map(({ uploadId }) => uploadId),
    setFindings: (sha256, findingsSealed) => {
      const row = artifacts.get(sha256);
      if (row !== undefined) artifacts.put(sha256, { ...row, findingsSealed });
    },
    discardUpload: (uploadId) => uploads.remove(uploadId),
    own: (userId, sha256, createdAt) => {
      const artifact = artifacts.get(sha256);
      if (artifact === undefined) throw new Error('a source that is not there cannot be owned');
      const row = { userId, sha256, createdAt, unneededAt: null };
      const isNew = owners.get(ownerKey(row)) === undefined;
      owners.put(ownerKey(row), row);
      if (isNew) hold(userId, 1, artifact.sizeBytes);
    },
    disown: (userId, sha256) => {
      const artifact = artifacts.get(sha256);
      if (artifact === undefined || owners.get(ownerKey({ userId, sha256 })) === undefined) return undefined;
      // Before one of them goes: what is loaded later is as it is on disk.
      const all = ofArtifact.of(sha256);
      owners.remove(ownerKey({ userId, sha256 }));
      hold(userId, -1, artifact.sizeBytes);
      if (all.size > 0) return undefined;
      artifacts.remove(sha256);
      removed(sha256);
      return artifact.uploadId;
    },
    touch: (userId, sha256) => setNeed(userId, sha256, null),
    setUnneeded: setNeed,
    owner: (userId, sha256) => owners.get(ownerKey({ userId, sha256 })),
    isOwnedBy: (userId, sha256) => owners.get(ownerKey({ userId, sha256 })) !== undefined,
    get: (sha256) => artifacts.get(sha256),
    heldBy: (userId) => {
      const { sources, sourceBytes } = heldBy(userId);
      return { sources, sourceBytes, uploadBytes: ofUploader.of(userId) };
    },
  };
  return { artifacts, owners, uploads, holdings, chunks, table };
}
