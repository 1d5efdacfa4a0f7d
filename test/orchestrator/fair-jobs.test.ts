/** A user who sends very many jobs at once does not delay other users. */
import { createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { expect, it } from 'vitest';
import { AdminService, TokenScope } from '#gen/botrunner/v1/admin_service_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { HeldDisk } from '../../orchestrator/store/testing/held-disk.ts';
import { eventually } from '../kit/eventually.ts';
import { startTestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { bearer } from '../kit/typed-calls.ts';

const list = { blueprint: 'bot_runner', data: { action: 'list' } };
const [streams, ofEach] = [2, 500];

it('a job passes those of another user that are still to be accepted', async () => {
  const disk = new HeldDisk();
  await using orchestrator = await startTestOrchestrator({ store: { disk, rehearses: false } });
  const transport = (token: string): Transport =>
    createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer(token)] });
  const admin = createClient(AdminService, transport('test-admin-token'));
  const jobsOf = async (userId: string) => {
    const { value } = await admin.createToken({ userId, name: 'test', scope: TokenScope.CLIENT });
    return () => createClient(JobService, transport(value));
  };
  const [ann, bob] = [await jobsOf('ann'), await jobsOf('bob')];
  disk.hold();

  const anns: string[] = [];
  let sent = 0;
  async function* many() {
    for (let n = 0; n < ofEach; n++) yield list;
    sent += 1;
  }
  const flood = async () => {
    for await (const { outcome } of ann().submitJobs(many())) anns.push(outcome.value as string); // none is refused
  };
  const floods = Array.from({ length: streams }, flood);
  await eventually(
    'all are sent',
    () => sent,
    (count) => count === streams,
  );

  let bobs = '';
  async function* one() {
    yield list;
    // What cannot be taken is answered at once: then the one before it waits for the disk.
    yield { ...list, blueprint: 'unknown' };
  }
  for await (const { outcome } of bob().submitJobs(one())) {
    if (outcome.case === 'refused') disk.release();
    else bobs = outcome.value ?? '';
  }
  await Promise.all(floods);
  expect(anns).toHaveLength(streams * ofEach);
  // Ids are given in the order in which jobs are accepted.
  expect(anns.filter((id) => id < bobs).length).toBeLessThanOrEqual(512);
});
