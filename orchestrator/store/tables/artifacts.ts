/** Rows of artifacts by the sha256 of their bytes, and of who uploaded them; chunks by upload. */

import type { SourceOwner, SourceUpload } from '../../core/records.ts';
import type { Statements } from '../damage.ts';
import type { OwnedSource, StoredPiece } from '../store.ts';
import type { ArtifactRow, ChunkChange, HoldingsRow } from '../workspace/sources.ts';
import { column, keyColumn } from './columns.ts';
import { bytesOf, bytesOrNull, numberOf, numberOrNull, type Row, textOf } from './row.ts';

export const toArtifact = (row: Row): ArtifactRow => ({
  sha256: textOf(row, 'sha256'),
  uploadId: textOf(row, 'upload_id'),
  sizeBytes: numberOf(row, 'size_bytes'),
  createdAt: numberOf(row, 'created_at'),
  findingsSealed: bytesOrNull(row, 'findings_sealed'),
});

export const artifactColumns = [
  keyColumn<ArtifactRow>('sha256', ({ sha256 }) => sha256),
  column<ArtifactRow>('upload_id', ({ uploadId }) => uploadId),
  column<ArtifactRow>('size_bytes', ({ sizeBytes }) => sizeBytes),
  column<ArtifactRow>('created_at', ({ createdAt }) => createdAt),
  column<ArtifactRow>('findings_sealed', ({ findingsSealed }) => findingsSealed),
];

export const toOwner = (row: Row): SourceOwner => ({
  userId: textOf(row, 'user_id'),
  sha256: textOf(row, 'sha256'),
  createdAt: numberOf(row, 'created_at'),
  unneededAt: numberOrNull(row, 'unneeded_at'),
});

export const ownerColumns = [
  keyColumn<SourceOwner>('user_id', ({ userId }) => userId),
  keyColumn<SourceOwner>('sha256', ({ sha256 }) => sha256),
  column<SourceOwner>('created_at', ({ createdAt }) => createdAt),
  column<SourceOwner>('unneeded_at', ({ unneededAt }) => unneededAt),
];

export const toUpload = (row: Row): SourceUpload => ({
  uploadId: textOf(row, 'upload_id'),
  userId: textOf(row, 'user_id'),
  sizeBytes: numberOf(row, 'size_bytes'),
  createdAt: numberOf(row, 'created_at'),
});

export const uploadColumns = [
  keyColumn<SourceUpload>('upload_id', ({ uploadId }) => uploadId),
  column<SourceUpload>('user_id', ({ userId }) => userId),
  column<SourceUpload>('size_bytes', ({ sizeBytes }) => sizeBytes),
  column<SourceUpload>('created_at', ({ createdAt }) => createdAt),
];

export const toHoldings = (row: Row): HoldingsRow => ({
  userId: textOf(row, 'user_id'),
  sources: numberOf(row, 'sources'),
  sourceBytes: numberOf(row, 'source_bytes'),
});

export const holdingsColumns = [
  keyColumn<HoldingsRow>('user_id', ({ userId }) => userId),
  column<HoldingsRow>('sources', ({ sources }) => sources),
  column<HoldingsRow>('source_bytes', ({ sourceBytes }) => sourceBytes),
];

const isSealed = (row: Row): boolean => numberOf(row, 'sealed') !== 0;
const placeOf = (row: Row) => ({ uploadId: textOf(row, 'upload_id'), n: numberOf(row, 'n') });

export type ChunkTable = ReturnType<typeof createChunkTable>;

export function createChunkTable(db: Statements) {
  const add = db.prepare('INSERT INTO artifact_chunks (upload_id, n, bytes, sealed) VALUES (?, ?, ?, 1)');
  const unfinished = db.prepare(`
    SELECT DISTINCT upload_id FROM artifact_chunks WHERE upload_id NOT IN (SELECT upload_id FROM artifacts)`);
  const page = db.prepare(`
    SELECT user_id, sha256 FROM artifact_owners WHERE (user_id, sha256) > (?, ?) ORDER BY user_id, sha256 LIMIT ?`);
  const ofUser = db.prepare('SELECT sha256 FROM artifact_owners WHERE user_id = ? ORDER BY sha256');
  const most = db.prepare('SELECT user_id FROM holdings ORDER BY source_bytes DESC LIMIT ?');
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
    'DELETE FROM holdings',
    `INSERT INTO holdings SELECT user_id, count(*), sum(size_bytes)
     FROM artifact_owners JOIN artifacts USING (sha256) GROUP BY user_id`,
  ].map((sql) => db.prepare(sql));
  return {
    write(change: ChunkChange): void {
      add.run(change.uploadId, change.n, change.bytes);
    },
    unfinished: () => unfinished.all().map((row) => textOf(row, 'upload_id')),
    ownedAfter: ({ userId, sha256 }: OwnedSource, limit: number): readonly OwnedSource[] =>
      page.all(userId, sha256, limit).map((row) => ({ userId: textOf(row, 'user_id'), sha256: textOf(row, 'sha256') })),
    ownedBy: (userId: string) => ofUser.all(userId).map((row) => textOf(row, 'sha256')),
    holdingMost: (limit: number) => most.all(limit).map((row) => textOf(row, 'user_id')),
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
