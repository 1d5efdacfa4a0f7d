import { expect, it } from 'vitest';
import type { BotRecord, JobRecord, TaskRecord } from '../../core/records.ts';
import { createDesires } from './desires.ts';
import type { JobRow } from './jobs.ts';

// Only the fields that are looked at.
const botOf = (fields: Partial<BotRecord> = {}) =>
  ({
    userId: 'ann',
    botId: 'a',
    workerId: 'w1',
    desired: 'running',
    generation: 1,
    observed: {},
    ...fields,
  }) as BotRecord;
const jobOf = (fields: Partial<JobRecord> = {}) =>
  ({
    job: { jobId: 'j', userId: 'ann', botId: 'a', mutating: true, status: 'running', taskId: 't', ...fields },
    steps: [],
  }) as unknown as JobRow;
const taskOf = (fields: Partial<TaskRecord> = {}) =>
  ({ taskId: 't', jobId: 'j', workerId: 'w1', status: 'open', ...fields }) as TaskRecord;

function create(bot = botOf()) {
  return createDesires({ isWhole: true, bot: () => bot, job: () => bot });
}

it('counts what a command is made of, and nothing that a worker reports', () => {
  const { ofBots, ofJobs, ofTasks, table } = create();
  ofBots.changed('', botOf(), botOf({ observed: { restarts: 3 }, observedAt: 7, eventSeq: 9 }));
  ofJobs.changed('', jobOf(), jobOf({ reason: 'building', updatedAt: 7 }));
  ofTasks.changed('', taskOf(), taskOf({ status: 'accepted' }));
  expect(table.version('w1')).toBe(1);
  expect(table.since('w1', 1)).toEqual([]);
  ofBots.changed('', botOf(), botOf({ generation: 2 }));
  ofJobs.changed('', jobOf(), jobOf({ deadlineAt: 7 }));
  ofTasks.changed('', taskOf(), taskOf({ status: 'done' }));
  expect(table.version('w1')).toBe(4);
  expect(table.since('w1', 1)).toEqual([{ userId: 'ann', botId: 'a' }]);
  expect(table.since('w1', 4)).toEqual([]);
  expect(table.version('w2')).toBe(1);
});

it('counts a bot that moves for both its workers, and once more when that is taken back', () => {
  const { ofBots, table } = create();
  ofBots.changed('', botOf(), botOf({ workerId: 'w2', epoch: 2 }));
  ofBots.changed('', botOf({ workerId: 'w2', epoch: 2 }), botOf());
  expect([table.version('w1'), table.version('w2')]).toEqual([3, 3]);
});

it('says nothing of a job or task that was over before, and is forgotten now', () => {
  const { ofJobs, ofTasks, table } = create();
  ofJobs.changed('', jobOf({ status: 'completed' }), undefined);
  ofTasks.changed('', taskOf({ status: 'done' }), undefined);
  expect(table.version('w1')).toBe(1);
});

it('keeps some thousand changes of a worker, and then says that it does not know', () => {
  const { ofBots, table } = create();
  const count = 5_000;
  for (let n = 0; n < count; n++) ofBots.changed('', undefined, botOf({ botId: `b${n}` }));
  expect(table.since('w1', 1)).toBeUndefined();
  expect(table.since('w1', count - 100)).toHaveLength(101);
});

it('forgets what a worker was told, once it asks for what came after', () => {
  const { ofBots, table } = create();
  for (const botId of ['a', 'b']) ofBots.changed('', undefined, botOf({ botId }));
  expect(table.since('w1', 1)).toHaveLength(2);
  expect(table.since('w1', 2)).toEqual([{ userId: 'ann', botId: 'b' }]);
  expect(table.since('w1', 3)).toEqual([]);
  expect(table.since('w1', 1)).toBeUndefined();
});
