/** What a start does with the answer of the preflight. On a scripted engine and a clock that the test moves. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { createRegistryForTests, failureOf, type RegistryForTests, spec, successOf } from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
let answer: Result<readonly string[]>;
const asked: string[] = [];
beforeEach(async () => {
  answer = ok([]);
  asked.length = 0;
  bots = await createRegistryForTests({
    preflight: {
      async check(env) {
        asked.push(env['BOT_TOKEN'] ?? '');
        return answer;
      },
    },
  });
});
afterEach(() => bots.close());

const tokens = [
  '123456789:AAabcdefghijklmnopqrstuvwxyz0123456',
  '987654321:BBabcdefghijklmnopqrstuvwxyz0123456',
] as const;
const refusal = () =>
  fail(problem('INVALID_TELEGRAM_TOKEN', 'Telegram does not recognise the bot token in BOT_TOKEN.'));

describe('the preflight of a start', () => {
  it('that refuses fails the start before anything is built', async () => {
    answer = refusal();
    bots.run(1, { taskId: 't1', spec: spec({ BOT_TOKEN: 'one' }) });
    const result = await bots.result('t1');
    expect(failureOf(result)).toMatchObject({ code: 'INVALID_TELEGRAM_TOKEN' });
    expect(result.observation?.state).toBe(BotState.FAILED);
    expect(bots.runtime.done).toEqual([]);
  });

  it('that refuses leaves the version that runs as it is', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    answer = refusal();
    bots.run(2, { taskId: 't2' });
    expect(failureOf(await bots.result('t2'))).toMatchObject({ code: 'INVALID_TELEGRAM_TOKEN' });
    expect(bots.runtime.only()).toMatchObject({ revision: 1n, status: 'running' });
  });

  it('is made for other settings of the same image, too, and its refusal leaves what runs as it is', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    answer = refusal();
    bots.run(2, { taskId: 't2', spec: { ...spec({ BOT_TOKEN: 'two' }), sourceRevision: 1n } });
    expect(failureOf(await bots.result('t2'))).toMatchObject({ code: 'INVALID_TELEGRAM_TOKEN' });
    expect(asked).toEqual(['', 'two']);
    expect(bots.runtime.only()).toMatchObject({ revision: 1n, status: 'running' });
  });

  it('is made for a token that a stopped bot has got since, under the same revision', async () => {
    bots.run(1, { taskId: 't1', spec: spec({ BOT_TOKEN: tokens[0] }) });
    await bots.result('t1');
    bots.stop(2, { taskId: 't2' });
    await bots.result('t2');
    answer = refusal();
    bots.run(1, { generation: 3n, taskId: 't3', restart: true, spec: spec({ BOT_TOKEN: tokens[1] }) });
    expect(failureOf(await bots.result('t3'))).toMatchObject({ code: 'INVALID_TELEGRAM_TOKEN' });
    expect(asked).toEqual(tokens);
    expect(bots.runtime.containers.size).toBe(0);
  });

  it('that only warns is reported to those who wait and in the log', async () => {
    answer = ok(['Telegram could not be asked']);
    bots.run(1, { taskId: 't1' });
    expect(successOf(await bots.result('t1'))).toBeDefined();
    expect(bots.reports.output.map(({ text }) => text)).toContain('Telegram could not be asked');
    expect(await bots.logText()).toContain('Telegram could not be asked');
  });

  it('is not made again when the supervisor or the worker starts the bot again', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.runtime.exit(bots.runtime.only().id, 1);
    bots.registry.happened({ containerId: bots.runtime.only().id, kind: 'ended' });
    await bots.until('it is started again', () => bots.observation()?.restarts === 1);
    await bots.restart();
    bots.run(1);
    await bots.pass(5000);
    expect(asked).toHaveLength(1);
  });
});
