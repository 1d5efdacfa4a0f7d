import { describe, expect, it } from 'vitest';
import { problem } from '#common/problem.ts';
import type { JobEvent } from './blueprint.ts';
import { botRunner } from './bot-runner.ts';

const begin: JobEvent = { kind: 'begin' };
const done: JobEvent = { kind: 'task_succeeded', result: { status: 'started' } };
const broken: JobEvent = { kind: 'task_failed', problem: problem('BUILD_FAILED', 'no') };

/** Runs events through the blueprint; the trace has every state and effect. */
function trace(action: string, events: readonly JobEvent[]): string {
  let state = botRunner.initialState;
  const parts = [state];
  for (const event of events) {
    const step = botRunner.step({ state, action }, event);
    if (step === undefined) parts.push(`(${event.kind} ignored)`);
    else {
      parts.push(...step.path);
      if (step.status === 'running')
        parts.push(...step.effects.map((e) => (e.kind === 'dispatch' ? `!${e.taskType}` : `?${e.what}`)));
      state = step.path.at(-1) ?? state;
    }
  }
  return parts.join(' ');
}

describe('the bot_runner blueprint', () => {
  it.each([
    ['start', [begin, done], 'init start_bot !start_bot bot_started completed'],
    ['stop', [begin, done], 'init stop_bot !stop_bot bot_stopped completed'],
    ['start', [begin, broken], 'init start_bot !start_bot start_bot_failed failed'],
    ['list', [begin, { kind: 'answered', result: {} }], 'init list_bots ?list bots_listed completed'],
    ['status', [begin, { kind: 'answered', result: {} }], 'init check_status ?status status_checked completed'],
    ['logs', [begin, { kind: 'answered', result: {} }], 'init get_logs ?logs logs_ready completed'],
    ['start', [begin, done, done], 'init start_bot !start_bot bot_started completed (task_succeeded ignored)'],
    ['start', [begin, broken, done], 'init start_bot !start_bot start_bot_failed failed (task_succeeded ignored)'],
    ['start', [begin, begin], 'init start_bot !start_bot (begin ignored)'],
    ['start', [done], 'init (task_succeeded ignored)'],
  ] satisfies [string, JobEvent[], string][])('%s with %j', (action, events, expected) => {
    expect(trace(action, events)).toBe(expected);
  });

  it('tells a cancelled job from a failed one', () => {
    const ended = (code: 'CANCELLED' | 'DEADLINE_EXCEEDED') =>
      botRunner.step({ state: 'start_bot', action: 'start' }, { kind: 'aborted', problem: problem(code, 'x') })?.status;
    expect(ended('CANCELLED')).toBe('cancelled');
    expect(ended('DEADLINE_EXCEEDED')).toBe('failed');
  });
});
