/** Rows of the workers that may have a data volume of a bot. */
import type { VolumeRow } from '../workspace/places.ts';
import { keyColumn } from './columns.ts';
import { type Row, textOf } from './row.ts';

export const toVolume = (row: Row): VolumeRow => ({
  userId: textOf(row, 'user_id'),
  botId: textOf(row, 'bot_id'),
  workerId: textOf(row, 'worker_id'),
});

export const volumeColumns = [
  keyColumn<VolumeRow>('user_id', ({ userId }) => userId),
  keyColumn<VolumeRow>('bot_id', ({ botId }) => botId),
  keyColumn<VolumeRow>('worker_id', ({ workerId }) => workerId),
];
