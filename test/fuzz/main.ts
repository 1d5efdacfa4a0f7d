/**
 * Sends odd requests to a real orchestrator until one does harm: npm run fuzz [-- --requests N] [--seed N] [--from N]
 * Without options: a million, of a seed that is printed. Ends with 1 at the first failure, and says how to make it again.
 */
import { parseArgs } from 'node:util';
import { fuzz } from './drive.ts';
import { startFuzzedPrograms } from './programs.ts';

const { values } = parseArgs({
  options: { requests: { type: 'string' }, seed: { type: 'string' }, from: { type: 'string' } },
});
const number = (name: keyof typeof values, fallback: number): number => {
  const value = values[name] === undefined ? fallback : Number(values[name]);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`--${name} takes a whole number.`);
  process.exit(2);
};
const seed = number('seed', Date.now() % 2 ** 31);
const requests = number('requests', 1_000_000);
const from = number('from', 0);
console.log(`seed ${seed}, requests ${from} to ${from + requests}`);
const begun = performance.now();
const programs = await startFuzzedPrograms();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void programs[Symbol.asyncDispose]().finally(() => process.exit(130));
  });
}
try {
  await fuzz({
    seed,
    from,
    requests,
    ports: programs.ports,
    async check(done) {
      await programs.check();
      if (done % 20_000 === 0) console.log(`${done} requests, ${Math.round((performance.now() - begun) / 1000)} s`);
    },
  });
  console.log(`${requests} requests did no harm (${Math.round((performance.now() - begun) / 1000)} s)`);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  await programs[Symbol.asyncDispose]();
}
