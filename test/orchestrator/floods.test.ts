/** Each flood of bench/floods.ts, for a moment: counted, not timed. The orchestrator lives on, serves an innocent client, and ends who floods. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { type FloodCount, floods } from '../kit/floods.ts';
import { clientToken } from '../kit/orchestrator-for-tests.ts';
import { type OrchestratorProgram, startOrchestratorProgram } from '../kit/orchestrator-program.ts';

let orchestrator: OrchestratorProgram;
beforeAll(async () => {
  orchestrator = await startOrchestratorProgram({ LOG_LEVEL: 'warn', MAX_CONNECTIONS: '1000' });
});
afterAll(() => orchestrator[Symbol.asyncDispose]());

const mib = 1024 * 1024;

it.each<[keyof typeof floods, number, number]>([
  ['idle', 300, 200],
  ['slow', 300, 200],
  // As many as two connections hold; their budget is that of one caller.
  ['heldBodies', 200, 0],
  ['rapidReset', 1, 2],
  ['continuation', 1, 2],
  ['settings', 1, 2],
  ['ping', 1, 2],
])('%s', async (name, amount, endedMin) => {
  const before = orchestrator.rssBytes();
  const pid = orchestrator.pid();
  const count: FloodCount = { opened: 0, ended: 0, bytesSent: 0 };
  const ending = new AbortController();
  const port = Number(new URL(orchestrator.url).port);
  const flooding = floods[name](amount)({ port, token: clientToken }, ending.signal, count);
  try {
    for (let n = 0; n < 5; n++) expect((await orchestrator.post({ action: 'list' })).status).toBe(202);
    await eventually(
      'floods are ended',
      () => count.ended,
      (ended) => ended >= endedMin,
      { timeoutMs: 20_000 },
    );
    expect((await orchestrator.post({ action: 'list' })).status).toBe(202);
  } finally {
    ending.abort();
    await flooding;
  }
  expect(orchestrator.pid()).toBe(pid);
  expect(orchestrator.rssBytes() - before).toBeLessThan(300 * mib);
});
