import { createRouterTransport } from '@connectrpc/connect';
import { expect, it } from 'vitest';
import { Secret } from '#common/secret.ts';
import { Interrupted } from '../failures/errors.ts';
import {
  connectionLost,
  FakeOrchestrator,
  goodToken,
  logLines,
  refusal,
  type Step,
} from '../testing/fake-orchestrator.ts';
import { instantClock } from '../testing/run-cli.ts';
import { sendToken } from '../wire/send-token.ts';
import { clientOver } from './client.ts';
import { streamLogs } from './stream-logs.ts';

async function read(scripts: Step[][], { follow = true, signal = new AbortController().signal } = {}) {
  const orchestrator = new FakeOrchestrator();
  orchestrator.logScripts.push(...scripts);
  const transport = { interceptors: [sendToken(new Secret(goodToken))] };
  const client = clientOver(createRouterTransport(orchestrator.routes, { transport }), () => {});
  const seen: string[] = [];
  const clock = instantClock();
  const context = { clock, random: () => 0, signal, onBroken: () => seen.push('broken') };
  let error: unknown;
  try {
    for await (const { entries } of streamLogs(client, { botId: 'b', lines: 7, follow }, context)) {
      seen.push(...entries.map(({ text }) => text));
    }
  } catch (thrown) {
    error = thrown;
  }
  const asked = orchestrator.logRequests.map(({ lines, follow: followed, afterCursor }) => ({
    lines,
    followed,
    afterCursor,
  }));
  return { seen, error, asked, clock };
}

const lines = (texts: string[], from = 1): Step => ({ lines: logLines(texts, undefined, from) });
const lost: Step = { error: connectionLost() };

it('asks once and ends with the log', async () => {
  const { seen, asked, error } = await read([[lines(['one', 'two'])]], { follow: false });
  expect({ seen, error }).toEqual({ seen: ['one', 'two'], error: undefined });
  expect(asked).toEqual([{ lines: 7, followed: false, afterCursor: '' }]);
});

it('continues right after the last line when the stream breaks, and says so once', async () => {
  const { seen, asked, error } = await read([
    [lines(['one', 'two']), lost],
    [{ error: refusal('UNAVAILABLE', 'the worker is not connected') }],
    [lost],
    [lines(['three'], 3)],
  ]);
  expect({ seen, error }).toEqual({ seen: ['one', 'two', 'broken', 'three'], error: undefined });
  expect(asked.map(({ afterCursor }) => afterCursor)).toEqual(['', 'c2', 'c2', 'c2']);
});

it('does not try again without follow, nor after a refusal', async () => {
  expect((await read([[lines(['one']), lost]], { follow: false })).error).toBeDefined();
  const refused = await read([[lines(['one']), { error: refusal('BOT_NOT_FOUND', 'gone') }]]);
  expect(refused.error).toMatchObject({ rawMessage: 'gone' });
  expect(refused.asked).toHaveLength(1);
});

it('gives up when the orchestrator has been away for ten minutes', async () => {
  const { error, clock } = await read(Array.from({ length: 500 }, () => [lost]));
  expect(error).toMatchObject({ rawMessage: 'connection lost' });
  expect(clock.monotonicMs()).toBeGreaterThan(600_000);
  expect(clock.monotonicMs()).toBeLessThan(610_000);
});

it('ends with the interruption', async () => {
  const ending = new AbortController();
  const script: Step[] = [lines(['one']), { call: () => ending.abort(new Interrupted()) }, 'silence'];
  const { error, seen } = await read([script], { signal: ending.signal });
  expect(error).toBeInstanceOf(Interrupted);
  expect(seen).toEqual(['one']);
});

it('begins with what comes from now on, on a clock that counts parts of a millisecond', async () => {
  const orchestrator = new FakeOrchestrator();
  orchestrator.logScripts.push([lines(['new'])]);
  const transport = { interceptors: [sendToken(new Secret(goodToken))] };
  const client = clientOver(createRouterTransport(orchestrator.routes, { transport }), () => {});
  const clock = { ...instantClock(), wallMs: () => 1_764_000_000_000.25, monotonicMs: () => performance.now() };
  const context = { clock, random: () => 0, signal: new AbortController().signal, onBroken: () => {} };
  const request = { botId: 'b', lines: 0, newOnly: true, follow: true };
  const seen: string[] = [];
  for await (const { entries } of streamLogs(client, request, context)) seen.push(...entries.map(({ text }) => text));
  expect(seen).toEqual(['new']);
  expect(orchestrator.logRequests).toHaveLength(1);
  expect(orchestrator.logRequests[0]?.since).toMatchObject({ seconds: 1_764_000_000n, nanos: 0 });
});
