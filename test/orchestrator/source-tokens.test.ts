/** A Telegram token that is in the code of a bot belongs to one running bot, as one in its environment does. */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Secret } from '#common/secret.ts';
import { TransientError } from '#common/waiting/transient.ts';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { createChannel } from '../../worker/session/channel.ts';
import { createTokenClaims } from '../../worker/session/token-claims.ts';
import { eventually } from '../kit/eventually.ts';
import { startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, credentialOf, observed, type ScriptedWorker } from '../kit/scripted-worker.ts';

let orchestrator: TestOrchestrator;
let worker: ScriptedWorker;
const token = '123456789:AAabcdefghijklmnopqrstuvwxyz0123456';
const other = '987654321:BBabcdefghijklmnopqrstuvwxyz0123456';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

beforeEach(async () => {
  orchestrator = await startTestOrchestrator({ env: { MAX_BOTS_PER_USER: '20' } });
  worker = await connectScriptedWorker(orchestrator.address);
  await worker.take('welcome');
});
afterEach(async () => {
  worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

const start = (botId: string, source: object, extra = {}) =>
  orchestrator.post({ action: 'start', bot_id: botId, deployment_mode: 'simple', ...source, ...extra });
const git = { deployment_mode: 'custom', git_repo: 'https://example.com/me/bot.git' };
const code = (text: string) => ({ code: `TOKEN = "${text}"` });
const done = (jobId: string) =>
  eventually(
    'the job has ended',
    async () => (await orchestrator.get(`/jobs/${jobId}`)).body,
    ({ status }: { status: string }) => ['completed', 'failed'].includes(status),
  );
async function started(botId: string, source: object): Promise<Ensure> {
  const { body } = await start(botId, source);
  const ensure = await worker.take('ensure');
  worker.succeed(ensure);
  expect(await done(body.job_id)).toMatchObject({ status: 'completed' });
  return ensure;
}
const stopped = async (botId: string) => {
  const { body } = await orchestrator.post({ action: 'stop', bot_id: botId });
  const ensure = await worker.take('ensure');
  const gone = { state: BotState.STOPPED, revision: 0n, containerId: '', containerName: '' };
  worker.succeed(ensure, observed(ensure, gone));
  await done(body.job_id);
};
const claim = ({ userId, botId, epoch, revision }: Ensure, tokens: readonly string[], built = false) =>
  worker.claimTokens({ userId, botId, epoch, revision, tokenSha256: tokens.map(sha256), built }).then(
    ({ pending }) => (pending ? 'pending' : 'granted'),
    ({ details }: { details: string }) => details,
  );
const inUseBy = (botId: string) => `Your bot ${botId} is running with this Telegram token.`;

it('refuses a second bot with the same token in its code, and never keeps the token itself', async () => {
  await started('a', code(token));
  const refused = await start('b', {
    files: { 'bot.py': 'import config', 'config.py': `T = '${token}'` },
    entrypoint: 'bot.py',
  });
  expect([refused.status, refused.body.error]).toMatchObject([409, { code: 'TOKEN_IN_USE', details: { bot_id: 'a' } }]);
  expect(JSON.stringify(refused.body)).not.toContain(token);
  // The environment of one, the code of the other.
  expect((await start('b', { code: 'pass', env_vars: { BOT_TOKEN: token } })).body.error.code).toBe('TOKEN_IN_USE');
  await stopped('a');
  await started('b', code(token));
  expect((await orchestrator.post({ action: 'restart', bot_id: 'a' })).body.error.code).toBe('TOKEN_IN_USE');
});

it('counts the token of the environment alone where there is one, and none of comments, texts and tests', async () => {
  await started('a', { ...code(token), env_vars: { BOT_TOKEN: other } });
  await started('b', code(token));
  await started('c', { code: `# ${token}\nprint(1)` });
  await started('d', {
    files: { 'bot.py': 'pass', 'README.md': token, 'tests/test_bot.py': `T = "${token}"` },
    entrypoint: 'bot.py',
  });
  await started('e', code('110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw'));
  await started('f', code('110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw'));
});

it('gives a token in a fetched source to the first of two that ask', async () => {
  await start('a', git);
  const first = await worker.take('ensure');
  await start('b', git);
  const second = await worker.take('ensure');
  const answers = await Promise.all([claim(first, [token]), claim(second, [token])]);
  expect([...answers].sort()).toEqual([inUseBy(answers[0] === 'granted' ? 'a' : 'b'), 'granted'].sort());
  // Safe to repeat; and the same for sources that are uploaded.
  expect(await claim(answers[0] === 'granted' ? first : second, [token])).toBe('granted');
  expect((await start('c', code(token))).body.error.code).toBe('TOKEN_IN_USE');
});

it('knows the token in a fetched source when its bot is stopped and started again', async () => {
  const ensure = await (async () => {
    const { body } = await start('a', git);
    const begun = await worker.take('ensure');
    expect(await claim(begun, [token])).toBe('granted');
    worker.succeed(begun);
    await done(body.job_id);
    return begun;
  })();
  await stopped('a');
  await started('b', code(token));
  expect((await orchestrator.post({ action: 'restart', bot_id: 'a' })).body.error.code).toBe('TOKEN_IN_USE');
  expect(await claim(ensure, [token])).toBe('The bot should not be started on this worker.');
});

it('keeps the token in a fetched source while its bot is configured, when its source is not looked at again', async () => {
  const { body } = await start('a', git);
  const begun = await worker.take('ensure');
  expect(await claim(begun, [token])).toBe('granted');
  worker.succeed(begun);
  await done(body.job_id);
  for (const value of ['1', '2']) {
    const configured = await orchestrator.post({ action: 'configure', bot_id: 'a', env_vars: { A: value } });
    worker.succeed(await worker.take('ensure'));
    expect(await done(configured.body.job_id)).toMatchObject({ status: 'completed' });
    expect((await start('b', code(token))).body.error?.code).toBe('TOKEN_IN_USE');
  }
});

it('moves a token in a fetched source with takeover, once the new bot is built', async () => {
  await started('a', code(token));
  const { body } = await start('b', git, { takeover: true });
  const ensure = await worker.take('ensure');
  expect(await claim(ensure, [token])).toBe('pending');
  expect(await claim(ensure, [token], true)).toBe('pending');
  const stop = await worker.take('ensure');
  expect(stop).toMatchObject({ botId: 'a', desired: DesiredState.STOPPED });
  worker.succeed(stop, observed(stop, { state: BotState.STOPPED, revision: 0n, containerId: '', containerName: '' }));
  await eventually(
    'the token is free',
    () => claim(ensure, [token], true),
    (answer) => answer === 'granted',
  );
  worker.succeed(ensure);
  expect(await done(body.job_id)).toMatchObject({ status: 'completed' });
  expect((await start('c', code(token))).body.error.code).toBe('TOKEN_IN_USE');
});

it("is asked by the worker's own client, which distinguishes a refusal and an orchestrator that is away", async () => {
  const endpoint = { url: orchestrator.url, target: orchestrator.address, tls: false, loopback: true };
  const channel = createChannel(endpoint, new Secret(credentialOf('w1')), () => null);
  const { signal } = new AbortController();
  const claimOf = ({ userId, botId, epoch, revision }: Ensure) => ({
    key: { userId, botId },
    epoch,
    revision,
    tokenSha256s: [sha256(token)],
  });
  await start('a', git);
  const first = await worker.take('ensure');
  const claims = createTokenClaims(() => channel);
  expect(await claims.claim(claimOf(first), false, signal)).toBe('granted');
  await start('b', git);
  const second = await worker.take('ensure');
  await expect(claims.claim(claimOf(second), false, signal)).rejects.toMatchObject({
    problem: { code: 'TOKEN_IN_USE', message: inUseBy('a') },
  });
  await start('c', git, { takeover: true });
  expect(await claims.claim(claimOf(await worker.take('ensure')), false, signal)).toBe('pending');
  channel.close();
  await expect(claims.claim(claimOf(first), false, signal)).rejects.toThrow(TransientError);
  await expect(createTokenClaims(() => undefined).claim(claimOf(first), false, signal)).rejects.toThrow(TransientError);
});
