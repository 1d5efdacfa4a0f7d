/** An orchestrator on the loopback address of IPv6, with the CLI and a worker that are given its URL. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { endProgram, startProgram, untilUp } from '../../scripts/platform/children.ts';
import { freePort } from '../../scripts/platform/free-port.ts';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { eventually } from '../kit/eventually.ts';

const noIpv6 = !Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === '::1'));

it.skipIf(noIpv6)(
  'HOST=::1 serves the CLI and a worker',
  { timeout: 90_000, meta: { skipReason: 'there is no ::1' } },
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'ipv6-'));
    const port = await freePort('::1');
    const url = `http://[::1]:${port}`;
    const env = {
      ...process.env,
      DATA_DIR: dir,
      PORT: String(port),
      HOST: '::1',
      ORCHESTRATOR_URL: url,
      RUNTIME: 'process',
    };
    const orchestrator = startProgram('orchestrator', { env, logFile: join(dir, 'orchestrator.log') });
    const worker = startProgram('worker', { env: { ...env, WORKER_ID: 'six' }, logFile: join(dir, 'worker.log') });
    const cli = (token: string, ...words: string[]) =>
      promisify(execFile)(process.execPath, [checkoutPath('cli', 'bin', 'avtomatika-bot.js'), ...words], {
        env: { ...process.env, AVTOMATIKA_URL: url, AVTOMATIKA_TOKEN: token },
      });
    try {
      expect(await untilUp(orchestrator, AbortSignal.timeout(60_000))).toBe(url);
      expect((await cli('test-client-token', 'list')).stdout).toContain('No bots.');
      await eventually(
        'the worker is there',
        async () => (await cli('test-admin-token', 'worker', 'list')).stdout,
        (text) => /six\s+ready/.test(text),
        { timeoutMs: 40_000, everyMs: 500 },
      );
    } finally {
      await endProgram(worker);
      await endProgram(orchestrator);
      rmSync(dir, { recursive: true, force: true });
    }
  },
);
