/** Rows of artifacts by the sha256 of their bytes, and of who uploaded them; chunks by upload. */
import type { Statements } from '../damage.ts';
import type { StoredPiece } from '../store.ts';
import type { ArtifactRow, ChunkChange, OwnerRow } from '../workspace/sources.ts';
import { column, keyColumn } from './columns.ts';
import { bytesOf, bytesOrNull, numberOf, numberOrNull, type Row, textOf } from './row.ts';

export const toArtifact = (row: Row): ArtifactRow => ({
  sha256: textOf(row, 'sha256'),
  uploadId: textOf(row, 'upload_id'),
  sizeBytes: numberOf(row, 'size_bytes'),
  createdAt: numberOf(row, 'created_at'),
  unneededAt: numberOrNull(row, 'unneeded_at'),
  findingsSealed: bytesOrNull(row, 'findings_sealed'),
});

export const artifactColumns = [
  keyColumn<ArtifactRow>('sha256', ({ sha256 }) => sha256),
  column<ArtifactRow>('upload_id', ({ uploadId }) => uploadId),
  column<ArtifactRow>('size_bytes', ({ sizeBytes }) => sizeBytes),
  column<ArtifactRow>('created_at', ({ createdAt }) => createdAt),
  column<ArtifactRow>('unneeded_at', ({ unneededAt }) => unneededAt),
  column<ArtifactRow>('findings_sealed', ({ findingsSealed }) => findingsSealed),
];

export const toOwner = (row: Row): OwnerRow => ({
  userId: textOf(row, 'user_id'),
  sha256: textOf(row, 'sha256'),
  createdAt: numberOf(row, 'created_at'),
});

export const ownerColumns = [
  keyColumn<OwnerRow>('user_id', ({ userId }) => userId),
  keyColumn<OwnerRow>('sha256', ({ sha256 }) => sha256),
  column<OwnerRow>('created_at', ({ createdAt }) => createdAt),
];

const isSealed = (row: Row): boolean => numberOf(row, 'sealed') !== 0;
const placeOf = (row: Row) => ({ uploadId: textOf(row, 'upload_id'), n: numberOf(row, 'n') });

export type ChunkTable = ReturnType<typeof createChunkTable>;

export function createChunkTable(db: Statements) {
  const add = db.prepare('INSERT INTO artifact_chunks (upload_id, n, bytes, sealed) VALUES (?, ?, ?, 1)');
  const drop = db.prepare('DELETE FROM artifact_chunks WHERE upload_id = ?');
  const unfinished = db.prepare(`
    SELECT DISTINCT upload_id FROM artifact_chunks WHERE upload_id NOT IN (SELECT upload_id FROM artifacts)`);
  const page = db.prepare('SELECT sha256 FROM artifacts WHERE sha256 > ? ORDER BY sha256 LIMIT ?');
  const remove = db.prepare(`
    DELETE FROM artifact_chunks WHERE rowid IN (SELECT rowid FROM artifact_chunks WHERE upload_id = ? LIMIT ?)`);
  const chunk = db.prepare('SELECT bytes, sealed FROM artifact_chunks WHERE upload_id = ? AND n = ?');
  const chunkSize = db.prepare(
    'SELECT length(bytes) AS size, sealed FROM artifact_chunks WHERE upload_id = ? AND n = ?',
  );
  const anySealed = db.prepare('SELECT upload_id, n, bytes FROM artifact_chunks WHERE sealed = 1 LIMIT 1');
  const plain = db.prepare('SELECT upload_id, n, bytes FROM artifact_chunks WHERE sealed = 0 LIMIT ?');
  const replace = db.prepare(
    'UPDATE artifact_chunks SET bytes = ?, sealed = 1 WHERE upload_id = ? AND n = ? AND sealed = 0',
  );
  const sealedArtifacts =
    'SELECT sha256 FROM artifacts WHERE upload_id IN (SELECT upload_id FROM artifact_chunks WHERE sealed = 1)';
  const dropSealed = [
    `DELETE FROM artifact_owners WHERE sha256 IN (${sealedArtifacts})`,
    `DELETE FROM artifacts WHERE sha256 IN (${sealedArtifacts})`,
    'DELETE FROM artifact_chunks WHERE upload_id NOT IN (SELECT upload_id FROM artifacts)',
  ].map((sql) => db.prepare(sql));
  return {
    write(change: ChunkChange): void {
      if (change.kind === 'add') add.run(change.uploadId, change.n, change.bytes);
      else drop.run(change.uploadId);
    },
    unfinished: () => unfinished.all().map((row) => textOf(row, 'upload_id')),
    artifactsAfter: (sha256: string, limit: number) => page.all(sha256, limit).map((row) => textOf(row, 'sha256')),
    remove: (uploadId: string, limit: number) => Number(remove.run(uploadId, limit).changes),
    chunk: (uploadId: string, n: number) => {
      const row = chunk.get(uploadId, n);
      return row && { bytes: bytesOf(row, 'bytes'), isSealed: isSealed(row) };
    },
    chunkSize: (uploadId: string, n: number) => {
      const row = chunkSize.get(uploadId, n);
      return row && { storedBytes: numberOf(row, 'size'), isSealed: isSealed(row) };
    },
    /** A sealed one, if there is any. */
    sample: () => anySealed.all().map((row) => ({ ...placeOf(row), sealed: bytesOf(row, 'bytes') })),
    plain: (limit: number) => plain.all(limit).map((row) => ({ ...placeOf(row), bytes: bytesOf(row, 'bytes') })),
    seal({ uploadId, n, bytes }: StoredPiece): void {
      replace.run(bytes, uploadId, n);
    },
    /** Removes all sources that are sealed. */
    dropSealed(): void {
      for (const statement of dropSealed) statement.run();
    },
  };
}
