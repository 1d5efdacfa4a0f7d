/** What a bot's log says is wrong, as it is reported about the bot. On a scripted engine and a clock that the test moves. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { createRegistryForTests, type RegistryForTests } from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
beforeEach(async () => {
  bots = await createRegistryForTests();
});
afterEach(() => bots.close());

const conflict =
  'telegram.error.Conflict: Conflict: terminated by other getUpdates request; make sure that only one bot instance is running';
const missing = "ModuleNotFoundError: No module named 'aiogram'";
const diagnosis = () => bots.observation()?.diagnosis;
const print = (text: string) => bots.runtime.print(bots.runtime.only().id, text);
const exit = (code: number) => {
  const { id } = bots.runtime.only();
  bots.runtime.exit(id, code);
  bots.registry.happened({ containerId: id, kind: 'ended' });
};
const running = async (revision: number) => {
  bots.run(revision, { taskId: `t${revision}` });
  await bots.result(`t${revision}`);
};

describe('a diagnosis', () => {
  it('is reported as soon as the log says it, while the bot runs on', async () => {
    await running(1);
    expect(diagnosis()).toBe('');
    print(conflict);
    await bots.until('it is reported', () => diagnosis()?.includes('409 Conflict'));
    expect(bots.observation()).toMatchObject({ state: BotState.RUNNING, reason: '' });
  });

  it('is over when the bot runs and has not said it for a while, but not while it keeps saying it', async () => {
    await running(1);
    print(conflict);
    await bots.until('it is reported', () => diagnosis() !== '');
    await bots.pass(60_000);
    print(conflict);
    await bots.pass(60_000);
    expect(diagnosis()).toContain('409');
    await bots.until('it is over', () => diagnosis() === '', 60_000);
  });

  it('is over at once when the bot says that it polls again', async () => {
    await running(1);
    print('Failed to fetch updates - TelegramNetworkError: Cannot connect to host api.telegram.org:443');
    await bots.until('it is reported', () => diagnosis() !== '');
    print('Connection established (tryings = 2, bot id = 42)');
    await bots.until('it is over', () => diagnosis() === '', 20_000);
  });

  it('explains a crash loop for as long as each end says the same, and no longer', async () => {
    bots.runtime.behaviour = { prints: [missing], exits: 1 };
    await running(1);
    await bots.until('it is reported', () => diagnosis()?.includes('add aiogram'));
    await bots.until('it was started often', () => (bots.observation()?.restarts ?? 0) >= 3);
    expect(bots.observation()).toMatchObject({ diagnosis: expect.stringContaining('add aiogram') });
    bots.runtime.behaviour = { prints: ['something else'], exits: 1 };
    await bots.until('an end without it takes it away', () => diagnosis() === '');
  });

  it("knows the bot's own modules, after a restart of the worker too, and proposes none of them as a package", async () => {
    await running(1);
    print("ModuleNotFoundError: No module named 'src'");
    await bots.until('it is reported', () => diagnosis()?.includes("the bot's own src"));
    await bots.restart();
    bots.run(1);
    print("ModuleNotFoundError: No module named 'src.texts'");
    await bots.until('it is reported', () => diagnosis()?.includes("src.texts is not among the bot's own files"));
    print("ModuleNotFoundError: No module named 'aiogram'");
    await bots.until('it is reported', () => diagnosis()?.includes('add aiogram to the requirements'));
  });

  it('outlives a restart of the worker', async () => {
    await running(1);
    print(conflict);
    await bots.until('it is reported', () => diagnosis() !== '');
    await bots.restart();
    bots.run(1);
    await bots.pass(2000);
    expect(diagnosis()).toContain('409');
    expect(bots.registry.snapshot()[0]?.diagnosis).toContain('409');
  });

  it('of an old version is none of the new one', async () => {
    await running(1);
    print(conflict);
    await bots.until('it is reported', () => diagnosis() !== '');
    await running(2);
    expect(diagnosis()).toBe('');
  });

  it('goes with a stop', async () => {
    await running(1);
    print(conflict);
    await bots.until('it is reported', () => diagnosis() !== '');
    bots.stop(2, { taskId: 'stop' });
    expect((await bots.result('stop')).observation).toMatchObject({ state: BotState.STOPPED, diagnosis: '' });
  });

  it('holds no token, whatever the log says', async () => {
    await running(1);
    print("KeyError: '123456789:AAsecret-secret-secret-secret-00000001'");
    print(
      'telegram.error.InvalidToken: The token `123456789:AAsecret-secret-secret-secret-00000001` was rejected by the server.',
    );
    exit(1);
    await bots.until('it is reported', () => diagnosis()?.includes('@BotFather'));
    expect(JSON.stringify(bots.reports.observations.map((one) => one.diagnosis))).not.toContain('AAsecret');
    expect(await bots.recordText()).not.toContain('AAsecret');
  });
});
