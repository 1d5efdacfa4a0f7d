/** One row that cannot be read any more costs its own bot or job something, and nobody else. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { explainStartError } from '#common/run-program.ts';
import { hintFor } from '../../cli/render/hints.ts';
import { readOrchestratorConfig } from '../../orchestrator/config.ts';
import { startOrchestrator } from '../../orchestrator/program.ts';
import { editStore, flipBit } from '../../orchestrator/store/testing/edit-store.ts';
import { eventually } from '../kit/eventually.ts';
import { type JsonBody, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, observed, type ScriptedWorker } from '../kit/scripted-worker.ts';

const start = (botId: string, extra: object = {}) => ({
  action: 'start',
  bot_id: botId,
  deployment_mode: 'simple',
  code: `print("${botId}")`,
  env_vars: { WHO: botId },
  ...extra,
});

describe('a damaged row', () => {
  let orchestrator: TestOrchestrator;
  let worker: ScriptedWorker;
  beforeEach(async () => {
    orchestrator = await startTestOrchestrator({ env: { MAX_BOTS_PER_USER: '20' } });
    worker = await connectScriptedWorker(orchestrator.address);
    await worker.take('welcome');
  });
  afterEach(async () => {
    worker.close();
    await orchestrator[Symbol.asyncDispose]();
  });

  const ended = (id: string) =>
    eventually(
      `job ${id} ends`,
      async () => (await orchestrator.get(`/jobs/${id}`)).body,
      ({ status }: JsonBody) => ['completed', 'failed', 'cancelled'].includes(status),
      { timeoutMs: 10_000 },
    );
  const post = async (data: object): Promise<string> => {
    const { status, body } = await orchestrator.post(data);
    expect(body).toMatchObject({ status: 'accepted' });
    expect(status).toBe(202);
    return body.job_id;
  };
  const act = (action: string, botId: string, extra = {}) => post({ action, bot_id: botId, ...extra });
  const run = async (data: object) => {
    const id = await post(data);
    const ensure = await worker.take('ensure');
    worker.succeed(ensure);
    await ended(id);
    return ensure;
  };
  const list = async () => (await ended(await post({ action: 'list' }))).data.result.bots;
  /** Ends the orchestrator, changes its store, starts it again; the worker comes back with what it has. */
  const restartWith = async (
    edit: Parameters<typeof editStore>[1],
    snapshot: Parameters<typeof observed>[0][] = [],
  ) => {
    worker.close();
    await orchestrator.restart(() => editStore(orchestrator.dir, edit));
    worker = await connectScriptedWorker(orchestrator.address, { snapshot: snapshot.map((one) => observed(one)) });
    return worker.take('welcome');
  };

  it('makes one bot damaged: it runs on, can be stopped, updated and deleted, and all others work', async () => {
    const sound = await run(start('sound'));
    const hurt = await run(start('hurt'));
    const welcome = await restartWith(
      (db) => flipBit(db, 'bot_specs', 'sealed', "bot_id = 'hurt' AND is_undo = 0"),
      [sound, hurt],
    );
    const sent = new Map(welcome.desiredSet?.bots.map((ensure) => [ensure.botId, ensure]));
    expect(sent.get('sound')?.spec?.env).toEqual({ WHO: 'sound' });
    expect(sent.get('hurt')).toMatchObject({ desired: hurt.desired, revision: hurt.revision });
    expect(sent.get('hurt')?.spec).toBeUndefined();
    expect(await list()).toMatchObject([
      { bot_id: 'hurt', status: 'running', reason: expect.stringMatching(/damaged.*update it with its source/) },
      { bot_id: 'sound', status: 'running', reason: '' },
    ]);
    const refused = await orchestrator.post({ action: 'restart', bot_id: 'hurt' });
    expect(refused).toMatchObject({ status: 409, body: { error: { code: 'BOT_DAMAGED' } } });
    const restarted = await act('restart', 'sound');
    worker.succeed(await worker.take('ensure'));
    expect(await ended(restarted)).toMatchObject({ status: 'completed' });
    const stopped = await act('stop', 'hurt');
    const stop = await worker.take('ensure');
    worker.succeed(stop, observed({ ...stop, revision: 0n }, { containerId: '', state: 10 }));
    expect(await ended(stopped)).toMatchObject({ status: 'completed' });
    const ensure = await run(start('hurt', { action: 'update' }));
    expect(ensure.spec?.env).toEqual({ WHO: 'hurt' });
    expect((await list())[0]).toMatchObject({ bot_id: 'hurt', reason: '' });
  });

  it.each([
    ['has variables', {}],
    ['has none', { env_vars: {} }],
  ])('of a bot that %s is overcome as the hint says', async (_, extra) => {
    const hurt = await run(start('hurt', extra));
    await restartWith((db) => flipBit(db, 'bot_specs', 'sealed', "bot_id = 'hurt' AND is_undo = 0"), [hurt]);
    const { body } = await orchestrator.post({ action: 'restart', bot_id: 'hurt' });
    expect(body.error.hint).toContain('"replace_env": true');
    expect(hintFor('BOT_DAMAGED', body.error.hint)).toContain('--replace-env');
    const update = start('hurt', { action: 'update', ...extra, replace_env: true });
    expect(await orchestrator.post(update)).toMatchObject({ status: 202 });
    worker.succeed(await worker.take('ensure'));
    await eventually(
      'it is sound',
      async () => (await list())[0]?.reason,
      (reason) => reason === '',
    );
  });

  it('can be deleted while damaged', async () => {
    const hurt = await run(start('hurt'));
    await restartWith((db) => flipBit(db, 'bot_specs', 'sealed', "bot_id = 'hurt' AND is_undo = 0"), [hurt]);
    const deleted = await act('delete', 'hurt');
    const ensure = await worker.take('ensure');
    worker.succeed(ensure, observed({ ...ensure, revision: 0n }, { containerId: '' }));
    expect(await ended(deleted)).toMatchObject({ status: 'completed' });
    expect(await list()).toEqual([]);
  });

  it('keeps an update from being undone, and nothing else', async () => {
    const before = await run(start('hurt'));
    const sound = await run(start('sound'));
    const update = await act('update', 'hurt', { ...start('hurt', { action: 'update' }), code: 'print(2)' });
    await worker.take('ensure');
    const welcome = await restartWith(
      (db) => flipBit(db, 'bot_specs', 'sealed', "bot_id = 'hurt' AND is_undo = 1"),
      [before, sound],
    );
    const task = welcome.desiredSet?.bots.find(({ botId }) => botId === 'hurt');
    worker.send({
      case: 'result',
      value: {
        taskId: task?.taskId ?? '',
        outcome: { case: 'failed', value: { code: 'BUILD_FAILED', message: 'no' } },
      },
    });
    expect(await ended(update)).toMatchObject({ status: 'failed' });
    expect(await list()).toMatchObject([
      { bot_id: 'hurt', reason: expect.stringContaining('damaged') },
      { reason: '' },
    ]);
  });

  it('ends a job that waited with what cannot be opened any more', async () => {
    const first = await post(start('hurt'));
    const ensure = await worker.take('ensure');
    const second = await act('update', 'hurt', { ...start('hurt', { action: 'update' }), code: 'print(2)' });
    await restartWith((db) => flipBit(db, 'jobs', 'spec_sealed', `job_id = '${second}'`), [ensure]);
    worker.succeed(ensure);
    expect(await ended(first)).toMatchObject({ status: 'completed' });
    expect(await ended(second)).toMatchObject({ status: 'failed', data: { error: { code: 'BOT_DAMAGED' } } });
    expect((await list())[0]).toMatchObject({ status: 'running', reason: '' });
  });

  it('ends a job that is at work or waits for a worker', async () => {
    const placed = await post(start('hurt'));
    await worker.take('ensure');
    const waits = await post(start('late', { on: { zone: 'late' } })).catch(() => undefined);
    await restartWith((db) => db.exec("UPDATE bot_specs SET sealed = x'01'"));
    for (const id of [placed, ...(waits === undefined ? [] : [waits])]) {
      expect(await ended(id)).toMatchObject({ status: 'failed', data: { error: { code: 'BOT_DAMAGED' } } });
    }
  });

  it('of JSON or of a word that nobody knows is read as far as it can be', async () => {
    const ensure = await run(start('hurt'));
    await run(start('sound'));
    const update = await act('update', 'hurt', { ...start('hurt', { action: 'update' }), code: 'print(2)' });
    await worker.take('ensure');
    await restartWith(
      (db) => {
        db.exec("UPDATE bots SET observed = '{', state = 'dancing', undo_desired = 'odd' WHERE bot_id = 'hurt'");
        db.exec(`UPDATE jobs SET params = '"x"', result = '[', error = '}', status = 'odd' WHERE job_id = '${update}'`);
        db.exec("UPDATE outbox SET payload = '}' WHERE bot_id = 'hurt'");
        db.exec("UPDATE workers SET labels = '[', capabilities = '{'");
      },
      [ensure],
    );
    expect((await list()).map(({ bot_id }: JsonBody) => bot_id)).toEqual(['hurt', 'sound']);
    expect((await orchestrator.get(`/jobs/${update}`)).status).toBe(200);
    const events = await fetch(`${orchestrator.url}/events?last=100`, {
      headers: { authorization: 'Bearer test-client-token' },
    });
    expect(events.status).toBe(200);
    await events.body?.cancel();
    const restarted = await act('restart', 'sound');
    worker.succeed(await worker.take('ensure'));
    expect(await ended(restarted)).toMatchObject({ status: 'completed' });
  });

  it('with a deadline that passed does not keep other jobs from ending', async () => {
    const odd = await post(start('hurt', { on: undefined }));
    await worker.take('ensure');
    const other = await post(start('other'));
    await worker.take('ensure');
    const stateless = await post(start('stateless'));
    await worker.take('ensure');
    const actionless = await post(start('actionless'));
    await worker.take('ensure');
    await restartWith((db) => {
      db.exec(`UPDATE jobs SET blueprint = 'gone', deadline_at = 1 WHERE job_id = '${odd}'`);
      db.exec(`UPDATE jobs SET deadline_at = 2 WHERE job_id = '${other}'`);
      db.exec(`UPDATE jobs SET state = 'odd', deadline_at = 1 WHERE job_id = '${stateless}'`);
      db.exec(`UPDATE jobs SET action = 'odd', deadline_at = 1 WHERE job_id = '${actionless}'`);
    });
    expect(await ended(other)).toMatchObject({ data: { error: { code: 'DEADLINE_EXCEEDED' } } });
    for (const id of [odd, stateless, actionless]) expect(await ended(id)).toMatchObject({ status: 'failed' });
  });
});

describe('the key of the store', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'key-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const begin = (env: Record<string, string> = {}) =>
    startOrchestrator({
      config: readOrchestratorConfig({ PORT: '0', DATA_DIR: dir, ...env }),
      clock: systemClock,
      logger: silentLogger,
    });
  const folder = () => readdirSync(join(dir, 'orchestrator')).filter((name) => name.startsWith('secrets'));
  const withBot = async () => {
    const orchestrator = await begin();
    const answer = await fetch(`${orchestrator.url}/jobs`, {
      method: 'POST',
      headers: { authorization: 'Bearer test-client-token', 'content-type': 'application/json' },
      body: JSON.stringify({ blueprint: 'bot_runner', data: start('b') }),
    });
    expect(answer.status).toBe(202);
    await orchestrator.stop();
    // As if it had run.
    editStore(dir, (db) => {
      db.exec(
        "UPDATE bots SET undo_desired = NULL; DELETE FROM bot_specs WHERE is_undo = 1; UPDATE jobs SET status = 'completed'",
      );
    });
  };
  const keyPath = () => join(dir, 'orchestrator', 'secrets.key');

  it('is not created again beside sealed rows', async () => {
    await withBot();
    rmSync(keyPath());
    await expect(begin()).rejects.toThrow(/secrets\.key is missing.*Put the original key back.*ACCEPT_LOST_KEY=/s);
    expect(folder()).toEqual([]);
  });

  it.each([
    ['another', () => writeFileSync(keyPath(), Buffer.alloc(32, 7)), {}],
    ['a cut one', () => writeFileSync(keyPath(), Buffer.alloc(9)), {}],
    ['an empty one', () => writeFileSync(keyPath(), ''), {}],
    ['another SECRETS_KEY', () => undefined, { SECRETS_KEY: '7'.repeat(64) }],
  ])('is refused when it is %s', async (_name, edit, env) => {
    await withBot();
    cpSync(keyPath(), `${keyPath()}.kept`);
    edit();
    await expect(begin(env)).rejects.toThrow(/SecretsKeyError|sealed with a key/);
    cpSync(`${keyPath()}.kept`, keyPath());
    await (await begin()).stop();
  });

  it.each(['secrets.key', 'store.sqlite'])('is reported by its path when a folder is in place of %s', async (name) => {
    const path = join(dir, 'orchestrator', name);
    rmSync(path, { force: true });
    mkdirSync(path, { recursive: true });
    const error = await begin().catch((reason: unknown) => reason);
    expect(explainStartError(error)).toBe(
      `${path} is a folder, and should be a file: move it away, or choose another DATA_DIR`,
    );
  });

  it('of a store from before the check is recognised by what it opens', async () => {
    await withBot();
    editStore(dir, (db) => db.exec("DELETE FROM meta WHERE key = 'key_check'"));
    await expect(begin({ SECRETS_KEY: '7'.repeat(64) })).rejects.toThrow('sealed with a key');
    await (await begin()).stop();
    expect(editStore(dir, (db) => db.prepare("SELECT value FROM meta WHERE key = 'key_check'").get())).toBeDefined();
  });

  it('may be another one while nothing is sealed', async () => {
    await (await begin()).stop();
    rmSync(keyPath());
    await (await begin()).stop();
    await (await begin({ SECRETS_KEY: '7'.repeat(64) })).stop();
    expect(existsSync(keyPath())).toBe(true);
  });

  it('that is lost for good is given up by the id of the refusal, once', async () => {
    await withBot();
    rmSync(keyPath());
    const refusal: Error = await begin().then(
      () => new Error('it was not refused'),
      (error: Error) => error,
    );
    const id = /ACCEPT_LOST_KEY=([0-9a-f]+)/.exec(refusal.message)?.[1] ?? '';
    await expect(begin({ ACCEPT_LOST_KEY: `${id}0` })).rejects.toThrow('sealed with a key');
    const orchestrator = await begin({ ACCEPT_LOST_KEY: id });
    const headers = { authorization: 'Bearer test-client-token', 'content-type': 'application/json' };
    const answer = await fetch(`${orchestrator.url}/botrunner.v1.BotService/ListBots`, {
      method: 'POST',
      headers,
      body: '{}',
    });
    expect(await answer.json()).toMatchObject({ bots: [{ botId: 'b', reason: expect.stringContaining('damaged') }] });
    await orchestrator.stop();
    await (await begin()).stop();
    rmSync(keyPath());
    await expect(begin({ ACCEPT_LOST_KEY: id })).rejects.toThrow('sealed with a key');
  });
});
