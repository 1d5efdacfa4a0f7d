/** Tables of artifacts: chunks by upload, uploads by the sha256 of their bytes, and who uploaded them. */
import type { Statements } from '../damage.ts';
import type { ArtifactTable } from '../tables.ts';
import { bytesOf, numberOf, numberOrNull, textOf } from './row.ts';

/** Chunks are read back one by one. */
export const artifactChunkBytes = 256 * 1024;

export function createArtifactTable(db: Statements) {
  const addChunk = db.prepare('INSERT INTO artifact_chunks (upload_id, n, bytes) VALUES (?, ?, ?)');
  const finish = db.prepare(
    'INSERT INTO artifacts (sha256, upload_id, size_bytes, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const discard = db.prepare('DELETE FROM artifact_chunks WHERE upload_id = ?');
  const discardUnfinished = db.prepare(
    'DELETE FROM artifact_chunks WHERE upload_id NOT IN (SELECT upload_id FROM artifacts)',
  );
  const own = db.prepare(
    'INSERT INTO artifact_owners (user_id, sha256, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const isOwnedBy = db.prepare('SELECT 1 FROM artifact_owners WHERE user_id = ? AND sha256 = ?');
  const get = db.prepare('SELECT upload_id, size_bytes, unneeded_at FROM artifacts WHERE sha256 = ?');
  const touch = db.prepare('UPDATE artifacts SET unneeded_at = NULL WHERE sha256 = ?');
  const page = db.prepare('SELECT sha256 FROM artifacts WHERE sha256 > ? ORDER BY sha256 LIMIT ?');
  const owners = db.prepare('SELECT user_id FROM artifact_owners WHERE sha256 = ?');
  const setUnneeded = db.prepare('UPDATE artifacts SET unneeded_at = ?2 WHERE sha256 = ?1');
  const remove = db.prepare('DELETE FROM artifacts WHERE sha256 = ?');
  const disown = db.prepare('DELETE FROM artifact_owners WHERE sha256 = ?');
  const removeChunks = db.prepare(`
    DELETE FROM artifact_chunks WHERE rowid IN (SELECT rowid FROM artifact_chunks WHERE upload_id = ? LIMIT ?)`);
  const chunk = db.prepare('SELECT bytes FROM artifact_chunks WHERE upload_id = ? AND n = ?');
  const chunkSize = db.prepare('SELECT length(bytes) AS size FROM artifact_chunks WHERE upload_id = ? AND n = ?');
  const table: ArtifactTable = {
    addChunk: (uploadId, n, bytes) => {
      addChunk.run(uploadId, n, bytes);
    },
    addBytes: (uploadId, bytes) => {
      for (let n = 0; n * artifactChunkBytes < bytes.length; n++) {
        addChunk.run(uploadId, n, bytes.subarray(n * artifactChunkBytes, (n + 1) * artifactChunkBytes));
      }
    },
    finish: (uploadId, sha256, sizeBytes, createdAt) => {
      if (finish.run(sha256, uploadId, sizeBytes, createdAt).changes === 0) discard.run(uploadId);
    },
    discardUpload: (uploadId) => {
      discard.run(uploadId);
    },
    own: (userId, sha256, createdAt) => {
      own.run(userId, sha256, createdAt);
      touch.run(sha256);
    },
    touch: (sha256) => {
      touch.run(sha256);
    },
    ownersOf: (sha256) => owners.all(sha256).map((row) => textOf(row, 'user_id')),
    setUnneeded: (sha256, at) => {
      setUnneeded.run(sha256, at);
    },
    remove: (sha256) => {
      const row = get.get(sha256);
      disown.run(sha256);
      remove.run(sha256);
      return row && textOf(row, 'upload_id');
    },
    isOwnedBy: (userId, sha256) => isOwnedBy.get(userId, sha256) !== undefined,
    get: (sha256) => {
      const row = get.get(sha256);
      return (
        row && {
          uploadId: textOf(row, 'upload_id'),
          sizeBytes: numberOf(row, 'size_bytes'),
          unneededAt: numberOrNull(row, 'unneeded_at'),
        }
      );
    },
  };
  return {
    table,
    discardUnfinished: () => {
      discardUnfinished.run();
    },
    after: (sha256: string, limit: number) => page.all(sha256, limit).map((row) => textOf(row, 'sha256')),
    removeChunks: (uploadId: string, limit: number) => Number(removeChunks.run(uploadId, limit).changes),
    chunk: (uploadId: string, n: number) => {
      const row = chunk.get(uploadId, n);
      return row && bytesOf(row, 'bytes');
    },
    chunkSize: (uploadId: string, n: number) => {
      const row = chunkSize.get(uploadId, n);
      return row && numberOf(row, 'size');
    },
  };
}
