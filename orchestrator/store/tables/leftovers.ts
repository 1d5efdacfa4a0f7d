/** Rows of what workers may still have of bots that are not placed there. */

import type { Leftover } from '../../core/records.ts';
import { column, keyColumn } from './columns.ts';
import { numberOf, type Row, textOf } from './row.ts';

export const toLeftover = (row: Row): Leftover => ({
  workerId: textOf(row, 'worker_id'),
  userId: textOf(row, 'user_id'),
  botId: textOf(row, 'bot_id'),
  epoch: numberOf(row, 'epoch'),
  generation: numberOf(row, 'generation'),
  purge: numberOf(row, 'purge') === 1,
  copy: numberOf(row, 'copy') === 1,
  taskId: textOf(row, 'task_id'),
});

export const leftoverColumns = [
  keyColumn<Leftover>('worker_id', ({ workerId }) => workerId),
  keyColumn<Leftover>('user_id', ({ userId }) => userId),
  keyColumn<Leftover>('bot_id', ({ botId }) => botId),
  column<Leftover>('epoch', ({ epoch }) => epoch),
  column<Leftover>('generation', ({ generation }) => generation),
  column<Leftover>('purge', ({ purge }) => (purge ? 1 : 0)),
  column<Leftover>('copy', ({ copy }) => (copy ? 1 : 0)),
  column<Leftover>('task_id', ({ taskId }) => taskId),
];
