/** Tables of workers that have ever joined, and of who may speak as them. */

import type { WorkerAccess, WorkerRecord } from '../../core/records.ts';
import type { WorkerRow } from '../alive/workers.ts';
import type { Statements } from '../damage.ts';
import type { WorkerTable } from '../tables.ts';
import { column, keyColumn } from './columns.ts';
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

export const toWorkerRow = (row: Row): WorkerRow => ({
  record: toWorker(row),
  cordoned: numberOf(row, 'cordoned') === 1,
  forgotten: numberOf(row, 'forgotten') === 1,
});

export const workerColumns = [
  keyColumn<WorkerRow>('worker_id', ({ record }) => record.workerId),
  column<WorkerRow>('boot_id', ({ record }) => record.bootId),
  column<WorkerRow>('runtime', ({ record }) => record.runtime),
  column<WorkerRow>('engine_version', ({ record }) => record.engineVersion),
  column<WorkerRow>('version', ({ record }) => record.version),
  column<WorkerRow>('memory_bytes', ({ record }) => record.memoryBytes),
  column<WorkerRow>('cpu_millis', ({ record }) => record.cpuMillis),
  column<WorkerRow>('labels', ({ record }) => JSON.stringify(record.labels)),
  column<WorkerRow>('capabilities', ({ record }) => JSON.stringify(record.capabilities)),
  column<WorkerRow>('first_seen_at', ({ record }) => record.firstSeenAt),
  column<WorkerRow>('last_seen_at', ({ record }) => record.lastSeenAt),
  column<WorkerRow>('cordoned', ({ cordoned }) => (cordoned ? 1 : 0)),
  column<WorkerRow>('forgotten', ({ forgotten }) => (forgotten ? 1 : 0)),
];

/** Who may speak as a worker: asked when one connects. */
export function createAccessTable(db: Statements): Pick<WorkerTable, 'access' | 'allAccess' | 'putAccess'> {
  const access = db.prepare('SELECT * FROM worker_access WHERE worker_id = ?');
  const allAccess = db.prepare('SELECT * FROM worker_access ORDER BY worker_id');
  const putAccess = db.prepare(
    'INSERT OR REPLACE INTO worker_access (worker_id, credential_sha256, revoked) VALUES (?, ?, ?)',
  );
  return {
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
