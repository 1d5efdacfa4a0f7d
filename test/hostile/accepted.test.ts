/** What looks hostile and is accepted, as it reaches a worker. */
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import tar from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { git, image, simple } from '../kit/hostile-doors.ts';
import { startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, type ScriptedWorker } from '../kit/scripted-worker.ts';

describe('what a worker is sent', () => {
  let worker: ScriptedWorker;
  let own: TestOrchestrator;
  beforeAll(async () => {
    own = await startTestOrchestrator();
    worker = await connectScriptedWorker(own.address);
    await worker.take('welcome');
  });
  afterAll(async () => {
    worker.close();
    await own[Symbol.asyncDispose]();
  });
  const sent = async (data: object) => {
    const { status, body } = await own.post(data);
    expect(status).toBe(202);
    const ensure = await worker.take('ensure');
    worker.succeed(ensure);
    return { ensure, jobId: body.job_id as string };
  };

  it('hostile 22: a start of a running bot with another spec is a new generation, never "already running"', async () => {
    const first = await sent({ ...simple, bot_id: 'twice', code: 'print(1)' });
    const second = await sent({ ...simple, bot_id: 'twice', code: 'print(2)' });
    expect([first.ensure.generation, second.ensure.generation]).toEqual([1n, 2n]);
    expect(second.ensure.spec?.source).not.toEqual(first.ensure.spec?.source);
  });

  it('hostile 28: values that look like commands are sent as they are', async () => {
    const env = {
      A: '$(cat /etc/shadow)',
      B: '${HOME}',
      C: '`id`',
      D: 'a\nb',
      E: '',
      LD_PRELOAD: '/x.so',
      HTTP_PROXY: 'x',
    };
    const { ensure } = await sent({ ...simple, bot_id: 'literal', env_vars: env });
    expect(ensure.spec?.env).toEqual(env);
  });

  it('hostile 29: secrets are in no answer', async () => {
    const secret = 'canary-9d1c7e42';
    const { jobId } = await sent({
      ...image,
      bot_id: 'literal',
      env_vars: { BOT_TOKEN: secret },
      registry_auth: { username: 'me', password: secret },
    });
    const ids = [jobId];
    for (const data of [{ action: 'list' }, { action: 'status', bot_id: 'literal' }]) {
      ids.push((await own.post(data)).body.job_id);
    }
    for (const id of ids) expect(JSON.stringify((await own.get(`/jobs/${id}`)).body)).not.toContain(secret);
    const bad = await own.post({ ...simple, code: secret, env_vars: { 'A B': secret, C: `${secret}\0` } });
    expect([bad.status, JSON.stringify(bad.body).includes(secret)]).toEqual([400, false]);
  });

  it('hostile 39: simple mode knows no base image', async () => {
    const { ensure } = await sent({ ...simple, bot_id: 'literal', base_image: 'evil:latest', image: 'evil' });
    expect(JSON.stringify(ensure.spec?.source)).not.toContain('evil');
    // Names of other modes are not passed over.
    expect((await own.post({ ...simple, bot_id: 'literal', dockerfile: 'FROM evil' })).status).toBe(400);
  });

  it('hostile 40: code is stored byte for byte, whatever it looks like', async () => {
    const code = '\ufeffFROM evil\r\nRUN x\0\n# syntax=evil/frontend\n';
    const { ensure } = await sent({ ...simple, bot_id: 'literal', code });
    const pack = tar.pack();
    pack.entry({ name: 'bot.py', mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 }, code);
    pack.finalize();
    expect(ensure.spec?.source.value).toMatchObject({
      artifactSha256: createHash('sha256')
        .update(await buffer(pack))
        .digest('hex'),
    });
  });

  it('hostile 69: an image without a tag is asked for by the tag latest', async () => {
    const { ensure } = await sent({ ...image, bot_id: 'literal', docker_image: 'ghcr.io/me/bot' });
    expect(ensure.spec?.source.value).toMatchObject({ image: 'ghcr.io/me/bot:latest' });
  });

  it('private repositories: the login is sent apart from the URL', async () => {
    const { ensure } = await sent({ ...git, bot_id: 'literal', git_auth: { username: 'me', password: 'pw' } });
    expect(ensure.spec?.source.value).toMatchObject({
      from: { value: { url: git.git_repo, credentials: { username: 'me', password: 'pw' } } },
    });
  });
});
