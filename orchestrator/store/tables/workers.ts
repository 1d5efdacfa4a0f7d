/** Table of workers that have ever joined. */
import type { DatabaseSync } from 'node:sqlite';
import type { WorkerRecord } from '../../core/records.ts';
import type { WorkerTable } from '../store.ts';
import { jsonOf, numberOf, type Row, textOf } from './row.ts';

const toWorker = (row: Row): WorkerRecord => ({
  workerId: textOf(row, 'worker_id'),
  bootId: textOf(row, 'boot_id'),
  runtime: textOf(row, 'runtime'),
  engineVersion: textOf(row, 'engine_version'),
  version: textOf(row, 'version'),
  memoryBytes: numberOf(row, 'memory_bytes'),
  cpuMillis: numberOf(row, 'cpu_millis'),
  labels: jsonOf<Record<string, string>>(row, 'labels'),
  firstSeenAt: numberOf(row, 'first_seen_at'),
  lastSeenAt: numberOf(row, 'last_seen_at'),
});

export function createWorkerTable(db: DatabaseSync): WorkerTable {
  const get = db.prepare('SELECT * FROM workers WHERE worker_id = ?');
  const all = db.prepare('SELECT * FROM workers ORDER BY worker_id');
  const put = db.prepare(`
    INSERT OR REPLACE INTO workers (
      worker_id, boot_id, runtime, engine_version, version, memory_bytes, cpu_millis, labels, first_seen_at, last_seen_at
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
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
        worker.firstSeenAt,
        worker.lastSeenAt,
      );
    },
  };
}
