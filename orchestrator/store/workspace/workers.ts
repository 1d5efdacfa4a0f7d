/** Workers in memory, also those that are forgotten: their names are few. */
import type { WorkerAccess, WorkerRecord } from '../../core/records.ts';
import type { WorkerTable } from '../tables.ts';
import { Groups } from './indexes.ts';
import type { Loading } from './loading.ts';
import { Rows } from './rows.ts';
import type { Undo } from './undo.ts';

export interface WorkerRow {
  readonly record: WorkerRecord;
  readonly cordoned: boolean;
  readonly forgotten: boolean;
}

export function createWorkers(undo: Undo, loading: Loading, roomGrew: () => void) {
  const rows = new Rows<WorkerRow>({ name: 'workers', undo, loading });
  const byCredential = new Groups<WorkerAccess>(({ credentialSha256 }) => credentialSha256 ?? undefined);
  const access = new Rows<WorkerAccess>({ name: 'access', undo, loading, indexes: { credential: byCredential } });
  const change = (workerId: string, next: (row: WorkerRow) => WorkerRow): boolean => {
    const row = rows.get(workerId);
    if (row !== undefined) rows.put(workerId, next(row));
    return row !== undefined;
  };
  const table: WorkerTable = {
    get: (workerId) => rows.get(workerId)?.record,
    all: () =>
      [...rows.values()]
        .filter(({ forgotten }) => !forgotten)
        .map(({ record }) => record)
        .sort((a, b) => (a.workerId < b.workerId ? -1 : 1)),
    put: (worker) => {
      const before = rows.get(worker.workerId);
      const record = before === undefined ? worker : { ...worker, firstSeenAt: before.record.firstSeenAt };
      rows.put(worker.workerId, { record, cordoned: before?.cordoned ?? false, forgotten: false });
      roomGrew();
    },
    seen: (workerId, at) => {
      change(workerId, (row) => ({ ...row, record: { ...row.record, lastSeenAt: at } }));
    },
    isForgotten: (workerId) => rows.get(workerId)?.forgotten ?? false,
    forget: (workerId) => {
      change(workerId, (row) => ({ ...row, cordoned: false, forgotten: true }));
    },
    isCordoned: (workerId) => rows.get(workerId)?.cordoned ?? false,
    setCordoned: (workerId, cordoned) => {
      if (!cordoned) roomGrew();
      return change(workerId, (row) => ({ ...row, cordoned }));
    },
    access: (workerId) => access.get(workerId),
    accessWith: (credentialSha256) => [...byCredential.of(credentialSha256).values()][0],
    allAccess: () => [...access.values()].sort((a, b) => (a.workerId < b.workerId ? -1 : 1)),
    putAccess: (record) => access.put(record.workerId, record),
  };
  return { rows, access, table };
}
