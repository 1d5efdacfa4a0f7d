import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { WorkerSchema, WorkerState } from '#gen/botrunner/v1/admin_service_pb.js';
import { SafetyReportSchema } from '#gen/botrunner/v1/safety_pb.js';
import { isProved, renderExamined } from './safety.ts';
import { createStyle } from './style.ts';

const plain = createStyle({ terminal: false, colour: false });
const good = { name: 'egress', ok: true, message: 'The rules hold.' };
const bad = { name: 'disk', ok: false, message: 'There is no limit.', hint: 'Set one.' };
const report = (...checks: readonly object[]) =>
  create(SafetyReportSchema, { strangers: true, checks: [...checks], ageMs: 12_400n });
const worker = (workerId: string, safety = report(good), more: object = {}) =>
  create(WorkerSchema, { workerId, state: WorkerState.READY, safety, ...more });
const off = create(SafetyReportSchema, {});

describe('what doctor shows', () => {
  it('is every check of everyone, with its age, and the cure of what has failed', () => {
    const examined = {
      orchestrator: report(good),
      workers: [worker('w1'), worker('w2', report(good, bad), { startsRefused: true })],
    };
    expect(renderExamined(examined, plain)).toBe(`orchestrator, checked 12 s ago
  ok    egress      The rules hold.

worker w1, checked 12 s ago
  ok    egress      The rules hold.

worker w2, checked 12 s ago
  ok    egress      The rules hold.
  FAIL  disk        There is no limit.
                    Set one.

No new bots are started on 1 of 2 workers. Bots that run are left alone.`);
    expect(isProved(examined)).toBe(false);
  });

  it.each([
    [
      'all that is connected holds',
      [worker('w1'), worker('gone', off, { state: WorkerState.AWAY })],
      true,
      'strangers may start bots',
    ],
    ['one has no report', [worker('w1'), worker('old', off, { startsRefused: true })], false, 'on 1 of 2 workers'],
    ['nobody is connected', [worker('w1', report(good), { state: WorkerState.AWAY })], false, 'No worker is connected'],
    ['none takes bots', [worker('w1', report(bad), { startsRefused: true })], false, 'No new bots are started until'],
  ])('when %s', (_what, workers, proved, says) => {
    const examined = { orchestrator: report(good), workers };
    expect(isProved(examined)).toBe(proved);
    expect(renderExamined(examined, plain).split('\n').at(-1)).toContain(says);
  });

  it('proves nothing without STRANGERS, or before the first checks', () => {
    for (const orchestrator of [off, report()]) expect(isProved({ orchestrator, workers: [worker('w1')] })).toBe(false);
    expect(renderExamined({ orchestrator: off, workers: [] }, plain)).toContain('without STRANGERS=1');
  });

  it('does nothing to the terminal that a worker would have it do', () => {
    const evil = { name: 'e\u001b[2J', ok: false, message: 'x\u001b]0;title\u0007', hint: '\u009b31m' };
    const examined = { orchestrator: report(good), workers: [worker('w\u001b[1m', report(evil))] };
    expect(renderExamined(examined, plain)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });
});
