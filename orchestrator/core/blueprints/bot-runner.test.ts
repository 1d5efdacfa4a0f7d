import { describe, expect, it } from 'vitest';
import { problem } from '#common/problem.ts';
import type { JobAction } from '../actions.ts';
import { type JobState, workingStates } from '../job-states.ts';
import type { JobEvent } from './blueprint.ts';
import { botRunner } from './bot-runner.ts';

const begin: JobEvent = { kind: 'begin' };
const done: JobEvent = { kind: 'task_succeeded', result: { status: 'started' } };
const broken: JobEvent = { kind: 'task_failed', problem: problem('BUILD_FAILED', 'no') };

/** Runs events through the blueprint; the trace has every state and effect. */
function trace(action: JobAction, events: readonly JobEvent[]): string {
  let state: JobState = botRunner.initialState;
  const parts: string[] = [state];
  for (const event of events) {
    const step = botRunner.step({ state, action }, event);
    if (step === undefined) parts.push(`(${event.kind} ignored)`);
    else {
      parts.push(...step.path);
      if (step.status === 'running')
        parts.push(...step.effects.map((e) => (e.kind === 'dispatch' ? `!${e.work.taskType}` : `?${e.what}`)));
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
  ] satisfies [JobAction, JobEvent[], string][])('%s with %j', (action, events, expected) => {
    expect(trace(action, events)).toBe(expected);
  });

  it.each([
    ['delete', 'init'],
    ['start', 'unreadable'],
    ['unreadable', 'start_bot'],
  ] satisfies [JobAction, JobState][])('ends a job of %s in state %s only early', (action, state) => {
    expect(botRunner.step({ state, action }, done)).toBeUndefined();
    const aborted = botRunner.step({ state, action }, { kind: 'aborted', problem: problem('DEADLINE_EXCEEDED', 'x') });
    expect(aborted).toMatchObject({ status: 'failed', path: ['failed'] });
  });

  it('says what each working state decides about the bot, and who gets its task', () => {
    const works = workingStates.flatMap((state) => {
      const work = botRunner.workIn(state);
      return work === undefined ? [] : [`${state}: ${work.decides} ${work.taskType} -> ${work.goesTo}`];
    });
    expect(works).toEqual([
      'start_bot: deploy start_bot -> best',
      'update_bot: deploy update_bot -> best',
      'restart_bot: restart restart_bot -> best',
      'configure_bot: configure update_bot -> best',
      'stop_bot: stop stop_bot -> its_worker',
      'delete_bot: remove delete_bot -> its_worker',
      'move_out: move stop_bot -> its_worker',
      'move_in: move start_bot -> another',
    ]);
    expect(botRunner.workIn('init')).toBeUndefined();
  });

  it('tells a cancelled job from a failed one', () => {
    const ended = (code: 'CANCELLED' | 'DEADLINE_EXCEEDED') =>
      botRunner.step({ state: 'start_bot', action: 'start' }, { kind: 'aborted', problem: problem(code, 'x') })?.status;
    expect(ended('CANCELLED')).toBe('cancelled');
    expect(ended('DEADLINE_EXCEEDED')).toBe('failed');
  });
});
