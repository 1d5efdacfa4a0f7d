/** Rows of who may speak as which worker. */
import type { WorkerAccess } from '../../core/records.ts';
import { column, keyColumn } from './columns.ts';
import { numberOf, type Row, textOf, textOrNull } from './row.ts';

export const toAccess = (row: Row): WorkerAccess => ({
  workerId: textOf(row, 'worker_id'),
  credentialSha256: textOrNull(row, 'credential_sha256'),
  revoked: numberOf(row, 'revoked') === 1,
});

export const accessColumns = [
  keyColumn<WorkerAccess>('worker_id', ({ workerId }) => workerId),
  column<WorkerAccess>('credential_sha256', ({ credentialSha256 }) => credentialSha256),
  column<WorkerAccess>('revoked', ({ revoked }) => (revoked ? 1 : 0)),
];
