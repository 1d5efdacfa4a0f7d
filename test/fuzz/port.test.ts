/** The port under requests that nobody should send; a failure names the seed. `npm run fuzz` sends as many as one likes. */
import { expect, it } from 'vitest';
import { fuzz } from './drive.ts';
import { startFuzzedPrograms } from './programs.ts';
import { makeRequest } from './requests.ts';

it('answers or drops 20,000 odd requests and lives on', { timeout: 180_000 }, async () => {
  await using programs = await startFuzzedPrograms();
  await fuzz({ seed: 20_261_128, from: 0, requests: 20_000, ports: programs.ports, check: () => programs.check() });
});

it('makes the same request from the same seed', () => {
  expect(makeRequest(7, 123_456)).toEqual(makeRequest(7, 123_456));
  expect(makeRequest(7, 123_456)).not.toEqual(makeRequest(7, 123_457));
});
