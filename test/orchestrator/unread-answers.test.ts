/** Clients that do not fetch the answer to a large source keep nobody else's waiting. */
import http2 from 'node:http2';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { clientToken, startTestOrchestrator } from '../kit/orchestrator-for-tests.ts';

it('the turn of a large source ends when it is dealt with, not when its answer is read', async () => {
  await using orchestrator = await startTestOrchestrator();
  const large = { action: 'start', bot_id: 'b', deployment_mode: 'simple', code: `"""${'x'.repeat(300 * 1024)}"""` };
  // Nothing but heads may be sent to it.
  const session = http2.connect(orchestrator.url, { settings: { initialWindowSize: 0 } });
  onTestFinished(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': '/jobs',
    'content-type': 'application/json',
    authorization: `Bearer ${clientToken}`,
  });
  let status: unknown;
  stream.on('response', (headers) => {
    status = headers[':status'];
  });
  stream.end(JSON.stringify({ blueprint: 'bot_runner', data: large }));
  await eventually(
    'the head of the answer comes',
    () => status,
    (seen) => seen !== undefined,
  );
  expect(status).toBe(202);
  expect((await orchestrator.post({ ...large, bot_id: 'c' })).status).toBe(202);
  expect(stream.closed).toBe(false);
});
