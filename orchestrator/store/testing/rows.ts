/** Rows for tests of the store. */
import { botRecord } from '../../core/bot/record.ts';
import type { BotRecord, EventRecord, JobRecord, TaskRecord } from '../../core/records.ts';

export const aBot = (botId: string, fields: Partial<Pick<BotRecord, keyof BotRecord>> = {}): BotRecord =>
  botRecord({
    userId: 'ann',
    botId,
    mode: 'simple',
    desired: 'running',
    generation: 1,
    revision: 1,
    epoch: 1,
    workerId: 'w1',
    leaving: false,
    memoryBytes: 256,
    cpuMillis: 500,
    specSealed: new Uint8Array([1, 2, 3]),
    purge: false,
    pendingTask: null,
    undo: null,
    state: 'running',
    observed: { containerId: 'c1' },
    observedAt: 5,
    runsSince: 3,
    stopsAt: null,
    ageWarned: false,
    notice: '',
    decidedSeq: 0,
    eventSeq: 1,
    createdAt: 1,
    updatedAt: 2,
    ...fields,
  });

export const aJob = (jobId: string, botId: string, status: JobRecord['status']): JobRecord => ({
  jobId,
  userId: 'ann',
  blueprint: 'bot_runner',
  action: 'restart',
  params: {},
  botId,
  mutating: true,
  state: 'init',
  status,
  reason: '',
  specSealed: null,
  result: null,
  error: null,
  taskId: jobId.replace('job', 'task'),
  createdAt: 1,
  updatedAt: 2,
  deadlineAt: 1_000,
});

export const aTask = (taskId: string, jobId: string, status: TaskRecord['status']): TaskRecord => ({
  taskId,
  jobId,
  type: 'ensure',
  workerId: 'w1',
  status,
  createdAt: 1,
  acceptedAt: 2,
  finishedAt: status === 'done' ? 3 : null,
});

export function anEvent(eventId: string, botId: string, botSeq = 1): Omit<EventRecord, 'seq'> {
  const { specSealed: _spec, undo: _undo, purge: _purge, pendingTask: _task, ...bot } = aBot(botId);
  return { eventId, userId: 'ann', botId, botSeq, subjectId: botId, body: { kind: 'bot', bot }, at: 3 };
}
