import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#common/json.ts';
import { deployParams, type JobInput, parseJobInput, storedParams } from './job-params.ts';

const change = {
  replaceEnv: true,
  reset: {
    memory: true,
    cpus: false,
    disk: true,
    pids: true,
    stopGrace: false,
    stopSignal: true,
    requirements: false,
    buildArgs: ['A'],
    target: true,
    dockerfile: true,
    env: ['A'],
    on: ['zone'],
  },
};
const stopped = [{ userId: 'ann', botId: 'old', generation: 4 }];

describe('the input of a job', () => {
  const inputs: JobInput[] = [
    { action: 'start', params: deployParams() },
    { action: 'start', params: { ...deployParams({ takeover: true }), stopped, gotTokens: true } },
    { action: 'update', params: deployParams({ change }) },
    { action: 'restart', params: {} },
    { action: 'configure', params: deployParams({ change, takeover: true }) },
    { action: 'config', params: {} },
    { action: 'stop', params: { notice: '' } },
    { action: 'stop', params: { notice: 'too old' } },
    { action: 'delete', params: { purge: true } },
    { action: 'logs', params: { lines: 7 } },
    { action: 'move', params: { from: 'w1' } },
    { action: 'list', params: {} },
    { action: 'status', params: {} },
    { action: '', params: { input: { any: ['json', null] } } },
  ];
  it.each(inputs)('of $action is kept and read again', (input) => {
    const stored: JsonObject = JSON.parse(JSON.stringify(storedParams(input)));
    expect(parseJobInput(input.action, stored)).toEqual(input);
  });

  it('says nothing in the store where nothing was said', () => {
    expect(storedParams({ action: 'start', params: deployParams() })).toEqual({});
    expect(storedParams({ action: 'stop', params: { notice: '' } })).toEqual({});
  });

  it('is read from any JSON, however damaged: each part as if it had not been said', () => {
    const actions = ['start', 'update', 'restart', 'stop', 'delete', 'logs', 'move', 'list', '', 'dance', 'toString'];
    const keys = ['takeover', 'after', 'change', 'stopped_for_it', 'got_tokens', 'notice', 'purge', 'lines', 'from'];
    fc.assert(
      fc.property(
        fc.constantFrom(...actions),
        fc.dictionary(fc.constantFrom(...keys), fc.jsonValue({ maxDepth: 3 })),
        (action, stored) => {
          const input = parseJobInput(action, stored as JsonObject); // a jsonValue is Json
          expect(parseJobInput(input.action, storedParams(input))).toEqual(input);
        },
      ),
    );
    expect(
      parseJobInput('start', { change: { replaceEnv: 1, reset: [] }, stopped_for_it: [null, { userId: 'a' }] }),
    ).toEqual({
      action: 'start',
      params: deployParams(),
    });
    expect(parseJobInput('dance', { takeover: true })).toEqual({ action: 'unreadable', params: {} });
  });

  it('of a takeover from before its holders were noted is a takeover', () => {
    expect(parseJobInput('start', { after: ['old'] })).toMatchObject({ params: { takeover: true, stopped: [] } });
  });
});
