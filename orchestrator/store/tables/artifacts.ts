/** Tables of artifacts: chunks by upload, uploads by the sha256 of their bytes, and who uploaded them. */
import type { Statements } from '../damage.ts';
import type { ArtifactTable } from '../store.ts';
import { bytesOf, numberOf, textOf } from './row.ts';

export function createArtifactTable(db: Statements): ArtifactTable {
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
  const get = db.prepare('SELECT upload_id, size_bytes FROM artifacts WHERE sha256 = ?');
  const chunk = db.prepare('SELECT bytes FROM artifact_chunks WHERE upload_id = ? AND n = ?');
  return {
    addChunk: (uploadId, n, bytes) => {
      addChunk.run(uploadId, n, bytes);
    },
    finish: (uploadId, sha256, sizeBytes, createdAt) => {
      if (finish.run(sha256, uploadId, sizeBytes, createdAt).changes === 0) discard.run(uploadId);
    },
    discardUpload: (uploadId) => {
      discard.run(uploadId);
    },
    discardUnfinished: () => {
      discardUnfinished.run();
    },
    own: (userId, sha256, createdAt) => {
      own.run(userId, sha256, createdAt);
    },
    isOwnedBy: (userId, sha256) => isOwnedBy.get(userId, sha256) !== undefined,
    get: (sha256) => {
      const row = get.get(sha256);
      return row && { uploadId: textOf(row, 'upload_id'), sizeBytes: numberOf(row, 'size_bytes') };
    },
    chunk: (uploadId, n) => {
      const row = chunk.get(uploadId, n);
      return row && bytesOf(row, 'bytes');
    },
  };
}
