/** Tables of workers that have ever joined, and of who may speak as them. */

import type { WorkerAccess, WorkerRecord } from '../../core/records.ts';
import type { Statements } from '../damage.ts';
import type { WorkerTable } from '../store.ts';
import { jsonOf, numberOf, type Row, textOf, textOrNull } from './row.ts';

const toWorker = (row: Row): WorkerRecord => ({
  workerId: textOf(row, 'worker_id'),
  bootId: textOf(row, 'boot_id'),
  runtime: textOf(row, 'runtime'),
  engineVersion: textOf(row, 'engine_version'),
  version: textOf(row, 'version'),
  memoryBytes: numberOf(row, 'memory_bytes'),
  cpuMillis: numberOf(row, 'cpu_millis'),
  labels: jsonOf<Record<string, string>>(row, 'labels', {}),
  capabilities: jsonOf<string[]>(row, 'capabilities', []),
  firstSeenAt: numberOf(row, 'first_seen_at'),
  lastSeenAt: numberOf(row, 'last_seen_at'),
});

const toAccess = (row: Row): WorkerAccess => ({
  workerId: textOf(row, 'worker_id'),
  credentialSha256: textOrNull(row, 'credential_sha256'),
  revoked: numberOf(row, 'revoked') === 1,
});

export function createWorkerTable(db: Statements): WorkerTable {
  const get = db.prepare('SELECT * FROM workers WHERE worker_id = ?');
  const all = db.prepare('SELECT * FROM workers WHERE forgotten = 0 ORDER BY worker_id');
  const put = db.prepare(`
    INSERT INTO workers (
      worker_id, boot_id, runtime, engine_version, version, memory_bytes, cpu_millis, labels, capabilities,
      first_seen_at, last_seen_at
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (worker_id) DO UPDATE SET
      boot_id = excluded.boot_id, runtime = excluded.runtime, engine_version = excluded.engine_version,
      version = excluded.version, memory_bytes = excluded.memory_bytes, cpu_millis = excluded.cpu_millis,
      labels = excluded.labels, capabilities = excluded.capabilities, last_seen_at = excluded.last_seen_at, forgotten = 0`);
  const seen = db.prepare('UPDATE workers SET last_seen_at = ?2 WHERE worker_id = ?1');
  const forget = db.prepare('UPDATE workers SET forgotten = 1, cordoned = 0 WHERE worker_id = ?');
  const setCordoned = db.prepare('UPDATE workers SET cordoned = ?2 WHERE worker_id = ?1');
  const access = db.prepare('SELECT * FROM worker_access WHERE worker_id = ?');
  const allAccess = db.prepare('SELECT * FROM worker_access ORDER BY worker_id');
  const putAccess = db.prepare(
    'INSERT OR REPLACE INTO worker_access (worker_id, credential_sha256, revoked) VALUES (?, ?, ?)',
  );
  return {
    get: (workerId) => {
      const row = get.get(workerId);
      return row && toWorker(row);
    },
    all: () => all.all().map(toWorker),
    put: (worker) => {
      put.run(
        worker.workerId,
        worker.bootId,
        worker.runtime,
        worker.engineVersion,
        worker.version,
        worker.memoryBytes,
        worker.cpuMillis,
        JSON.stringify(worker.labels),
        JSON.stringify(worker.capabilities),
        worker.firstSeenAt,
        worker.lastSeenAt,
      );
    },
    seen: (workerId, at) => {
      seen.run(workerId, at);
    },
    isForgotten: (workerId) => get.get(workerId)?.['forgotten'] === 1,
    forget: (workerId) => {
      forget.run(workerId);
    },
    isCordoned: (workerId) => get.get(workerId)?.['cordoned'] === 1,
    setCordoned: (workerId, cordoned) => setCordoned.run(workerId, cordoned ? 1 : 0).changes > 0,
    access: (workerId) => {
      const row = access.get(workerId);
      return row && toAccess(row);
    },
    allAccess: () => allAccess.all().map(toAccess),
    putAccess: (record) => {
      putAccess.run(record.workerId, record.credentialSha256, record.revoked ? 1 : 0);
    },
  };
}
