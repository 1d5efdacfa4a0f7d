/** Each flood of bench/floods.ts, for a moment: counted, not timed. The orchestrator survives, serves an innocent client, and disconnects the flooders. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
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

/** A request of an innocent client, from another address and over a connection of its own. */
async function ask(port: number): Promise<number | undefined> {
  const headers = { authorization: `Bearer ${clientToken}` };
  const options = {
    port,
    host: '127.0.0.1',
    localAddress: '127.0.0.2',
    path: '/jobs/none',
    headers,
    agent: false,
  } as const;
  const [response] = (await once(get(options), 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

it.each<[keyof typeof floods, number, number]>([
  ['idle', 300, 200],
  ['slow', 300, 200],
  // As many as fit on two connections; they share the budget of one caller.
  ['heldBodies', 200, 0],
  ['rapidReset', 1, 2],
  ['continuation', 1, 2],
  ['settings', 1, 2],
  ['ping', 1, 2],
])('hostile 6: %s', async (name, amount, endedMin) => {
  const before = orchestrator.rssBytes();
  const pid = orchestrator.pid();
  const count: FloodCount = { opened: 0, connected: 0, ended: 0, bytesSent: 0 };
  const ending = new AbortController();
  const port = Number(new URL(orchestrator.url).port);
  const flooding = floods[name](amount)({ port, token: clientToken }, ending.signal, count);
  try {
    for (let n = 0; n < 5; n++) expect(await ask(port)).toBe(404);
    await eventually(
      'floods are ended',
      () => count.ended,
      (ended) => ended >= endedMin,
      { timeoutMs: 20_000 },
    );
    expect(await ask(port)).toBe(404);
  } finally {
    ending.abort();
    await flooding;
  }
  expect(orchestrator.pid()).toBe(pid);
  expect(orchestrator.rssBytes() - before).toBeLessThan(300 * mib);
});
