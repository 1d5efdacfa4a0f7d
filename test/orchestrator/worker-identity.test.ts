/** Who may speak as which worker. Workers are played. */
import { createHash } from 'node:crypto';
import { createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { WorkerState } from '#gen/botrunner/v1/admin_service_pb.js';
import { type Ensure, WorkerService } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { connectScriptedWorker, credentialOf, joinScriptedWorker, observed } from '../kit/scripted-worker.ts';
import {
  accepted,
  admin,
  as,
  bot,
  connect,
  detailOf,
  eachWithOrchestrator,
  listed,
  orchestrator,
  run,
  transport,
  untilFinal,
  workers,
} from './played-workers.ts';

eachWithOrchestrator();

describe('identity', () => {
  const sourceOf = (ensure: Ensure): string =>
    ensure.spec?.source.case === 'simple' ? ensure.spec.source.value.artifactSha256 : '';
  const fetch = async (workerId: string, sha256: string): Promise<number> => {
    let bytes = 0;
    for await (const { chunk } of as(workerId).fetchArtifact({ sha256 })) bytes += chunk.length;
    return bytes;
  };

  it('hostile 101: is a credential of one id: it opens no session as another worker, joins nobody and does nothing over REST', async () => {
    const one = await connect('one');
    const two = await connectScriptedWorker(
      orchestrator.address,
      { workerId: 'two' },
      'test-worker-token',
      credentialOf('one'),
    );
    workers.push(two);
    const error = await eventually(
      'it is refused',
      () => two.ended(),
      (ended) => ended !== undefined,
    );
    expect(error?.details).toBe('The credential belongs to another worker id.');
    const stolen = credentialOf('one');
    const joined = await joinScriptedWorker(orchestrator.address, 'three', stolen, credentialOf('three'));
    expect(joined?.code).toBe(7); // PERMISSION_DENIED
    expect((await orchestrator.get('/workers/one/tasks', stolen)).status).toBe(403);
    expect(one.ended()).toBeUndefined();
  });

  it('is no token of anybody: its holder would be taken for the worker', async () => {
    for (const token of ['test-client-token', 'test-worker-token', 'test-admin-token']) {
      const joined = await joinScriptedWorker(orchestrator.address, 'thief', undefined, token);
      expect([token, joined?.code]).toEqual([token, 7]); // PERMISSION_DENIED
    }
    expect((await orchestrator.post({ action: 'list' })).status).toBe(202);
  });

  it('is not had by the join token: it opens no session, reads no artifact and answers no tail', async () => {
    const one = await connect('one');
    const ensure = await run(one, 'a');
    const joinOnly = createClient(WorkerService, transport('test-worker-token'));
    const hint = 'Call WorkerService.Join first, and use the credential from then on.';
    expect(
      await detailOf(
        (async () => {
          for await (const _ of joinOnly.fetchArtifact({ sha256: sourceOf(ensure) })) return;
        })(),
      ),
    ).toMatchObject({ code: 'PermissionDenied', hint });
  });

  it('hostile 105: lets a worker fetch the sources of its own bots alone', async () => {
    const one = await connect('one', { labels: { n: '1' } });
    const two = await connect('two', { labels: { n: '2' } });
    const first = sourceOf(await run(one, 'a', { on: { n: '1' } }));
    const second = sourceOf(await run(two, 'b', { on: { n: '2' }, code: 'print(2)' }));
    expect(await fetch('one', first)).toBeGreaterThan(0);
    expect(await fetch('two', second)).toBeGreaterThan(0);
    expect((await detailOf(fetch('two', first))).message).toBe('There is no artifact with that sha256.');
    expect((await detailOf(fetch('one', second))).code).toBe('NotFound');
  });

  it('hostile 102: does not let another worker answer a tail', async () => {
    const one = await connect('one');
    await run(one, 'a');
    const two = await connect('two');
    const logs = await accepted({ action: 'logs', bot_id: 'a', lines: 5 });
    const open = await one.take('openTail');
    two.tail([{ tailId: open.tailId }, { entries: [{ text: 'forged' }] }]);
    one.tail([{ tailId: open.tailId }, { entries: [{ text: 'true' }], end: {} }]);
    expect((await untilFinal(logs)).data.result.logs).toBe('true\n');
  });

  it('belongs to the first to join; a lost credential is cured by readmit, and says so', async () => {
    const one = await connect('one');
    const lost = await joinScriptedWorker(orchestrator.address, 'one', 'test-worker-token', 'another-credential');
    expect(lost?.code).toBe(7); // PERMISSION_DENIED
    expect(lost?.details).toBe('The worker id one belongs to a worker with another credential.');
    await admin().readmitWorker({ workerId: 'one' });
    expect(
      (
        await eventually(
          'it ended',
          () => one.ended(),
          (ended) => ended !== undefined,
        )
      )?.code,
    ).toBe(16);
    expect(
      await joinScriptedWorker(orchestrator.address, 'one', 'test-worker-token', 'another-credential'),
    ).toBeUndefined();
    const old = await joinScriptedWorker(orchestrator.address, 'one');
    expect(old?.code).toBe(7);
  });

  it('hostile 105: is revoked at once and for good, over restarts, until it is readmitted', async () => {
    const one = await connect('one');
    await admin().revokeWorker({ workerId: 'one' });
    expect(
      (
        await eventually(
          'it ended',
          () => one.ended(),
          (ended) => ended !== undefined,
        )
      )?.code,
    ).toBe(16);
    expect(await listed('one')).toMatchObject({ revoked: true, state: WorkerState.AWAY });
    await orchestrator.restart();
    const refused = await joinScriptedWorker(orchestrator.address, 'one');
    expect(refused?.details).toBe('The worker one was revoked.');
    await admin().readmitWorker({ workerId: 'one' });
    await connect('one');
    expect(await listed('one')).toMatchObject({ revoked: false, state: WorkerState.READY });
  });

  it('is kept as a hash alone, and over a restart', async () => {
    const one = await connect('one');
    one.close();
    await orchestrator.restart();
    const session = await connectScriptedWorker(orchestrator.address, { workerId: 'one' }, 'not-a-join-token');
    workers.push(session);
    expect((await session.take('welcome')).sessionId).not.toBe('');
    const { readFileSync, readdirSync } = await import('node:fs');
    const folder = `${orchestrator.dir}/orchestrator`;
    const files = readdirSync(folder).map((name) => readFileSync(`${folder}/${name}`));
    const sha256 = createHash('sha256').update(credentialOf('one')).digest('hex');
    expect(files.some((bytes) => bytes.includes(sha256))).toBe(true);
    expect(files.some((bytes) => bytes.includes(credentialOf('one')))).toBe(false);
  });

  it('hostile 101: two processes of one id do not take the session from each other in turn', async () => {
    const first = await connect('one', { bootId: 'first' });
    const ensure = await run(first, 'a');
    const second = await connect('one', { bootId: 'second', snapshot: [observed(ensure)] });
    const fenced = await eventually(
      'the first is fenced',
      () => first.ended(),
      (ended) => ended !== undefined,
    );
    expect(fenced).toMatchObject({
      code: 10, // ABORTED
      details: 'another process has connected as worker one',
    });
    const again = await connectScriptedWorker(orchestrator.address, { workerId: 'one', bootId: 'first' });
    workers.push(again);
    expect(
      (
        await eventually(
          'it is refused',
          () => again.ended(),
          (ended) => ended !== undefined,
        )
      )?.code,
    ).toBe(10);
    second.send({ case: 'heartbeat', value: { ready: true } });
    expect(second.ended()).toBeUndefined();
    expect(await bot('a')).toMatchObject({ status: 'running' });
    // Once the second is gone, the first may be the worker again.
    second.close();
    await eventually(
      'it is gone',
      () => listed('one'),
      (worker) => worker?.state === WorkerState.AWAY,
    );
    await connect('one', { bootId: 'first' });
  });
});
