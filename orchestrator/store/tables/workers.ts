/** Rows of workers that have ever joined. */

import type { WorkerRecord } from '../../core/records.ts';
import type { WorkerRow } from '../workspace/workers.ts';
import { column, keyColumn } from './columns.ts';
import { jsonOf, numberOf, type Row, textOf } from './row.ts';

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
