/**
 * A store and two workers' folders of version 0.1.0, left by a crash, opened by today's programs: nothing of them is lost.
 * The folders were made by scripts/upgrade-fixture.ts; their keys are of no other use.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningOrchestrator } from '../../orchestrator/program.ts';
import { createRest, type Rest } from '../../scripts/upgrade/rest.ts';
import { eventually } from '../kit/eventually.ts';
import { type FormerState, openFormerState } from './kit.ts';

const patience = { timeoutMs: 60_000 };

describe('a folder of version 0.1.0', () => {
  let former: FormerState;
  let orchestrator: RunningOrchestrator;
  let dev: Rest;

  beforeAll(async () => {
    former = await openFormerState('0.1.0');
    orchestrator = await former.startOrchestrator();
    dev = createRest(orchestrator.url, 'test-client-token');
  });
  afterAll(() => former.close());

  const byId = (bots: readonly unknown[]) =>
    new Map((bots as { bot_id: string; status: string }[]).map((bot) => [bot.bot_id, bot]));

  it('shows the bots that it showed, before any worker is there', async () => {
    const now = byId(await dev.list());
    for (const [botId, was] of byId(former.made.bots)) {
      const { status } = now.get(botId) ?? { status: 'missing' };
      expect([was.status, 'unknown', botId === 'moved' ? 'pending' : was.status], botId).toContain(status);
    }
    const anna = createRest(orchestrator.url, former.made.annaToken);
    expect([...byId(await anna.list()).keys()]).toEqual(['hers']);
  });

  it('answers an Idempotency-Key as it did', async () => {
    const { key, body, jobId } = former.made.idempotency;
    expect(await dev.post(body, key)).toBe(jobId);
    const other = dev.startBody('keyed', { files: { 'x.mjs': '1' }, entrypoint: 'x.mjs' });
    await expect(dev.post(other, key)).rejects.toThrow('IDEMPOTENCY_CONFLICT');
    expect(await dev.job(jobId)).toMatchObject({ status: 'completed' });
  });

  it('continues with its events where a reader was', async () => {
    const answer = await fetch(`${orchestrator.url}/events?resume_from=${encodeURIComponent(former.made.eventId)}`, {
      headers: { authorization: 'Bearer test-client-token' },
    });
    let text = '';
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes(former.made.openJobs['waiting'] ?? 'none')) break;
    }
    expect(text).not.toContain('snapshot');
  });

  it('keeps the jobs that were open, and knows the sealed specs', async () => {
    const { openJobs } = former.made;
    for (const name of ['waiting', 'picture', 'workflow'])
      expect(await dev.job(openJobs[name] ?? ''), name).toMatchObject({ status: 'waiting_for_worker' });
    expect(await dev.job(openJobs['running'] ?? '')).toMatchObject({
      status: expect.stringMatching(/running|waiting/),
    });
    expect(await dev.job(openJobs['pending'] ?? '')).toMatchObject({ status: 'pending' });
    const taken = { env_vars: { BOT_TOKEN: `900000001:${'F'.repeat(35)}` } };
    const second = dev.startBody('second', { files: { 'a.mjs': '1' }, entrypoint: 'a.mjs' }, taken);
    await expect(dev.post(second)).rejects.toThrow('TOKEN_IN_USE');
  });

  it('runs everything on once its workers are back, and its open jobs end', async () => {
    await former.startWorker('one', orchestrator.url, 'zone=one');
    await former.startWorker('two', orchestrator.url, 'zone=two,room=late');
    const { openJobs } = former.made;
    for (const name of ['waiting', 'running', 'pending', 'answered'])
      expect(await dev.ended(openJobs[name] ?? ''), name).toMatchObject({ status: 'completed' });
    const running = ['runs', 'updated', 'rolled_back', 'moved', 'waits', 'answered'];
    const bots = await eventually(
      'the bots run',
      async () => byId(await dev.list()),
      (now) => running.every((botId) => now.get(botId)?.status === 'running'),
      patience,
    );
    expect(bots.get('stopped')?.status).toBe('stopped');
    expect(bots.get('exited')?.status).toBe('exited');
    expect(bots.get('crashes')?.status).toBe('crash_loop');
    expect(bots.get('unbuildable')?.status).toBe('failed');
    await eventually(
      'the moved bot runs its new version',
      () => dev.logs('moved'),
      (text) => text.includes('moved v2 1'),
    );
    await eventually(
      'the rolled back bot runs its old one',
      () => dev.logs('rolled_back'),
      (text) => (text.match(/rolled_back v1 1$/gm) ?? []).length > 1,
    );
  }, 120_000);

  it('reads the logs of before, and continues with them', async () => {
    const before = former.made.logs.split('\n').filter((line) => /runs \d+$/.test(line));
    expect(before.length).toBeGreaterThan(2);
    const text = await dev.logs('runs');
    for (const line of before) expect(text).toContain(line);
    // Counted from 1 again: its process went with the machine.
    expect(text.match(/runs 1$/gm)).toHaveLength(2);
  });

  it('says what it does not know of variables from before, and changes one without the source', async () => {
    const names = async () => ((await dev.resultOf('runs', 'config'))['env'] ?? []) as Record<string, unknown>[];
    const unknown = { set_at: null, job_id: null };
    expect(await names()).toEqual([
      { name: 'API_KEY', ...unknown },
      { name: 'BOT_TOKEN', ...unknown },
    ]);
    const changed = await dev.act('runs', 'configure', { env_vars: { API_KEY: 'another-secret-value' } });
    expect(changed).toMatchObject({ status: 'completed', data: { result: { status: 'configured' } } });
    expect(await names()).toEqual([
      { name: 'API_KEY', set_at: expect.any(String), job_id: changed['job_id'] },
      { name: 'BOT_TOKEN', ...unknown },
    ]);
  }, 60_000);

  it('starts a bot that was stopped, from the source that it had', async () => {
    expect(await dev.act('stopped', 'restart')).toMatchObject({ status: 'completed' });
    await eventually(
      'it prints',
      () => dev.logs('stopped'),
      (text) => (text.match(/stopped 1\b/g) ?? []).length > 1,
      patience,
    );
  }, 60_000);

  it('ends a job of another mode by cancel, and deletes a bot with all it has', async () => {
    const headers = { authorization: 'Bearer test-client-token', 'content-type': 'application/json' };
    const cancelled = await fetch(`${orchestrator.url}/botrunner.v1.JobService/CancelJob`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ jobId: former.made.openJobs['picture'] }),
    });
    expect(await cancelled.json()).toMatchObject({ job: { status: 'JOB_STATUS_CANCELLED' } });
    expect(await dev.act('runs', 'delete', { purge: true })).toMatchObject({ status: 'completed' });
    expect([...byId(await dev.list()).keys()]).not.toContain('runs');
  }, 60_000);
});
