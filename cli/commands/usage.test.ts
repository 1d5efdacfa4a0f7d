import { expect, it } from 'vitest';
import { FakeOrchestrator, refusal } from '../testing/fake-orchestrator.ts';
import { runCli } from '../testing/run-cli.ts';

it('shows what the user has and may have, with the names of REST as JSON', async () => {
  const { stdout, exitCode } = await runCli(['usage']);
  expect({ stdout, exitCode }).toEqual({
    exitCode: 0,
    stdout:
      '  Bots     1 of 3 running, 5 of 100 in all\n' +
      '           data of deleted bots is kept: former (delete NAME --purge removes it)\n' +
      '  Sources  1.9 MiB of 2048 MiB\n' +
      '  Jobs     4.9 KiB of 64 MiB, 7 ended\n' +
      '  Events   24 KiB, 30 kept\n',
  });
  expect(JSON.parse((await runCli(['usage', '--json'])).stdout)).toEqual({
    bots: { count: 1, limit: 3, kept: 4, kept_limit: 100, deleted_with_data: 1, deleted_names: ['former'] },
    sources: { count: 2, used_bytes: 1_500_000, upload_bytes: 500_000, limit_bytes: 2_147_483_648 },
    jobs: { count: 7, used_bytes: 5_000, limit_bytes: 67_108_864 },
    events: { count: 30, used_bytes: 25_000 },
  });
});

it('shows why it was refused', async () => {
  const orchestrator = new FakeOrchestrator();
  orchestrator.failNext('getUsage', refusal('UNAUTHENTICATED', 'no'));
  expect((await runCli(['usage'], { orchestrator })).exitCode).not.toBe(0);
});
